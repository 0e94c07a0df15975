"""Finding and reading suites: from the YAML file to the validated suite and its conditions."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError, create_model

from softal_bench.errors import SuiteError, shown, suggestion
from softal_bench.machine.files import read_regular
from softal_bench.suite import safe_yaml
from softal_bench.suite.condition import AnyCondition, Condition
from softal_bench.suite.cost import CostCondition, SyntheticSource, TrainedSource
from softal_bench.suite.keys import (
    CostReportOptions,
    CostSuiteKeys,
    Reference,
    ReportOptions,
    Resources,
    SuiteKeys,
    TrialLimits,
    TrialSuiteKeys,
    load_reference,
)
from softal_bench.suite.matrix import MAX_CONDITIONS, Raw, expand, set_key
from softal_bench.suite.messages import located, validation_message

_SHIPPED = Path(__file__).parent / "shipped"
C = TypeVar("C", bound=AnyCondition)
K = TypeVar("K", bound=SuiteKeys)


@dataclass(frozen=True)
class AnySuite:
    """The attributes that suites of both kinds share.

    Attributes:
        path: the file.
        varied: the matrix keys with more than one value.
        keys: if given, only the jobs with these keys are run.
    """

    path: Path
    name: str
    title: str | None
    description: str
    device: str
    varied: tuple[str, ...]
    _: KW_ONLY
    keys: frozenset[str] | None = None

    def asks_for(self, key: str) -> bool:
        """Return whether the trial or cell with this key has to be run."""
        return self.keys is None or key in self.keys


@dataclass(frozen=True)
class Suite(AnySuite):
    """A suite of trials, changed by `--set`, `--only` and `--trials`.

    Attributes:
        trials: number of trials of each condition.
        conditions: the conditions that `--only` keeps, in the order of the file.
        reference: the published figures that the suite names.
        limits: the time that a trial may take.
        resources: the resources that a trial requests from a cluster.
    """

    trials: int
    report: ReportOptions
    conditions: list[Condition]
    reference: Reference | None = None
    limits: TrialLimits = field(default_factory=TrialLimits)
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True)
class CostSuite(AnySuite):
    """A cost suite, changed by `--set` and `--only`.

    Attributes:
        conditions: the cells that `--only` keeps, in the order of the file.
    """

    report: CostReportOptions
    conditions: list[CostCondition]


def shipped_suites() -> dict[str, Path]:
    """Return the suite files that are shipped with the package, by name."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.yaml"))}


def looks_like_a_path(given: Path) -> bool:
    """Return whether an argument names a suite by its file: it has a suffix or a folder."""
    return given.suffix in (".yaml", ".yml") or len(given.parts) > 1


def find_suite(given: Path) -> Path:
    """Return the file of a suite: the given path, or the file of the shipped suite of this name.

    Raises:
        SuiteError: if there is neither; the message suggests the nearest name.
    """
    shipped = shipped_suites()
    if looks_like_a_path(given) or (str(given) not in shipped and given.is_file()):
        return given
    if str(given) not in shipped:
        raise SuiteError(
            f"{given}: no such suite file, and no suite of this name comes with the package"
            f"{suggestion(str(given), shipped)} Known: {', '.join(shipped)}"
        )
    return shipped[str(given)]


def suite_kind(path: Path, settings: Sequence[str] = ()) -> str:
    """Return the kind of a suite file, "cost" or "trials". The default is "trials".

    Raises:
        SuiteError: if the file cannot be read, or its kind is unknown.
    """
    kind = _document(path, settings).get("kind", "trials")
    if kind not in ("trials", "cost"):
        raise SuiteError(f"{path}: kind: {shown(kind)} is not a kind of suite; use trials or cost")
    return str(kind)


def load_suite(path: Path, settings: Sequence[str] = (), only: Sequence[str] = (), trials: int | None = None) -> Suite:
    """Read the file of a suite of trials.

    Args:
        path: the file.
        settings: assignments `PATH=VALUE` that replace values of the file before it is validated; values are YAML.
        only: assignments `KEY=VALUE` that keep the matching conditions; several values of one key are alternatives.
        trials: overrides the file's number of trials.

    Raises:
        SuiteError: if the suite is invalid; the message names the place, the value and the allowed values.
    """
    document = _document(path, settings)
    if trials is not None:
        document["trials"] = trials
    with located(str(path)):
        keys, conditions = _read(TrialSuiteKeys, Condition, document)
        if len(conditions) * keys.trials > MAX_CONDITIONS:
            count = len(conditions) * keys.trials
            raise SuiteError(
                f"trials: {keys.trials} of each condition are {count} in total; at most {MAX_CONDITIONS} are allowed"
            )
        _require_parameter(keys.report, conditions)
        reference = load_reference(path, keys.report.reference, conditions) if keys.report.reference else None
    return Suite(
        **_shared(path, keys),
        trials=keys.trials,
        report=keys.report,
        conditions=_selected(conditions, only),
        reference=reference,
        limits=keys.limits,
        resources=keys.resources,
    )


def load_cost_suite(path: Path, settings: Sequence[str] = (), only: Sequence[str] = ()) -> CostSuite:
    """Read the file of a cost suite. The arguments and errors are those of `load_suite`."""
    document = _document(path, settings)
    with located(str(path)):
        keys, conditions = _read(CostSuiteKeys, CostCondition, document)
        _require_distinct_labels(conditions)
        _require_named(keys.report, conditions)
    return CostSuite(**_shared(path, keys), report=keys.report, conditions=_selected(conditions, only))


def condition_of(described: Mapping[str, Any]) -> Condition | CostCondition:
    """Return the condition that a journal's header describes. This is the inverse of `AnyCondition.describe`.

    Labels are ignored, because they do not affect results.

    Raises:
        SuiteError: if the description is invalid, or a plugin in it is not installed or takes other parameters.
    """
    condition_class = CostCondition if "pool_size" in described else Condition
    try:
        return condition_class(**{key: _specification(value) for key, value in described.items()})
    except ValidationError as error:
        raise SuiteError(validation_message(error, condition_class, {})) from error
    except RecursionError as error:
        raise SuiteError(f"nested too deeply: {shown(described)}") from error


def _specification(value: Any) -> Any:
    """Convert a described value to the form of suite files: plugins and other parts become `{name: parameters}`."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {"label", "name", "parameters"} and isinstance(value["name"], str):
        return {value["name"]: _specification(value["parameters"])}
    return {key: _specification(inner) for key, inner in value.items()}


def suite_schema() -> dict[str, Any]:
    """Return the JSON Schema of suite files, for editors."""
    schema = TypeAdapter(
        _file_model("Suite of trials", TrialSuiteKeys, Condition)
        | _file_model("Cost suite", CostSuiteKeys, CostCondition)
    ).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _file_model(name: str, keys: type[SuiteKeys], condition_class: type[AnyCondition]) -> Any:
    fields: dict[str, Any] = {}
    for key, known in condition_class.model_fields.items():
        optional = copy.copy(known)  # optional, because the matrix may contain the key instead
        optional.default = None if known.is_required() else known.default
        fields[key] = (known.annotation, optional)
    return create_model(name, __base__=keys, __doc__=f"{name}.", **fields)


def _shared(path: Path, keys: SuiteKeys) -> dict[str, Any]:
    varied = tuple(key for key, values in keys.matrix.items() if len(values) > 1)
    named = {name: getattr(keys, name) for name in ("name", "title", "description", "device")}
    return {"path": path, "varied": varied, **named}


def _read(keys_class: type[K], condition_class: type[C], document: Raw) -> tuple[K, list[C]]:
    """Return the keys of the document that are not part of its conditions, and its conditions."""
    known = [*keys_class.model_fields, *condition_class.model_fields]
    for key in document:
        if key not in known:
            raise SuiteError(f"unknown key {key!r}{suggestion(key, known)} Known: {', '.join(known)}")
    try:
        keys = keys_class(**{key: value for key, value in document.items() if key in keys_class.model_fields})
    except ValidationError as error:
        raise SuiteError(validation_message(error, keys_class, {})) from error
    base = {key: value for key, value in document.items() if key in condition_class.model_fields}
    return keys, expand(condition_class, base, keys)


def _document(path: Path, settings: Sequence[str]) -> Raw:
    try:
        text = read_regular(path, max_bytes=safe_yaml.MAX_BYTES).decode()
    except FileNotFoundError as error:
        raise SuiteError(
            f"{path}: no such suite file; `softal-bench list suites` shows those that come with the package"
        ) from error
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path}: not a text file in UTF-8") from error
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read: {error.strerror or error}") from error
    document = safe_yaml.parse(text, str(path))
    if document is None:
        raise SuiteError(f"{path}: the file is empty; a suite file is a mapping of keys, see docs/suites.md")
    if not isinstance(document, dict):
        raise SuiteError(f"{path}: need a mapping of keys; got {type(document).__name__}; see docs/suites.md")
    for setting in settings:
        _apply_setting(document, setting)
    return document


def _apply_setting(document: Raw, setting: str) -> None:
    key, value = _split(setting, "--set")
    with located(f"--set {setting}"):
        matrix = document.get("matrix")
        if isinstance(matrix, dict) and key in matrix:
            raise SuiteError(f"{key} is varied in the matrix; use --set matrix.{key}=[...] or --only {key}=...")
        set_key(document, key, value)


def _selected(conditions: list[C], only: Sequence[str]) -> list[C]:
    """Return the conditions that match, for each key in `only`, one of its values."""
    wanted: dict[str, list[Any]] = {}
    for choice in only:
        key, value = _split(choice, "--only")
        with located(f"--only {choice}"):
            if not any(condition.matches({key: value}) for condition in conditions):
                values = sorted({str(condition.value(key)) for condition in conditions})
                raise SuiteError(f"matches no condition; {key} is {', '.join(values[:20])}")
        wanted.setdefault(key, []).extend(value if isinstance(value, list) else [value])
    selected = [condition for condition in conditions if condition.matches(wanted)]
    if not selected:
        raise SuiteError(f"--only {' --only '.join(only)}: no condition matches all of them")
    return selected


def _require_distinct_labels(conditions: list[CostCondition]) -> None:
    """Raise SuiteError if two sources have the same label, because journals and pages identify sources by label."""
    sources: dict[str, SyntheticSource | TrainedSource] = {}
    for condition in conditions:
        if sources.setdefault(condition.source.label, condition.source) != condition.source:
            raise SuiteError(f"source: two sources have the label {condition.source.label!r}; split the suite")


def _require_parameter(report: ReportOptions, conditions: list[Condition]) -> None:
    known = {name for each in conditions for name in each.acquisition.parameters}
    if report.against is not None and report.against not in known:
        raise SuiteError(
            f"report.against: {shown(report.against)} is not a parameter of the acquisition functions"
            f"{suggestion(report.against, known)} Known: {', '.join(sorted(known)) or 'none'}"
        )
    if report.against is None:
        return
    for each in conditions:
        value = each.acquisition.parameters.get(report.against, 0)  # functions without the parameter are allowed
        if not _is_number(value):
            numeric = sorted(name for name in known if all(map(_is_number, _values(conditions, name))))
            raise SuiteError(
                f"report.against: {report.against} of {each.acquisition.label} is {shown(value)}; need a parameter "
                f"whose values are all numbers: {', '.join(numeric) or 'there is none, so leave out report.against'}"
            )


def _values(conditions: list[Condition], parameter: str) -> list[Any]:
    found = [each.acquisition.parameters for each in conditions]
    return [parameters[parameter] for parameters in found if parameter in parameters]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require_named(report: CostReportOptions, conditions: list[CostCondition]) -> None:
    named = {name for each in conditions for name in (each.acquisition.name, each.acquisition.label)}
    asked = {"report.ratio": [*report.ratio.of, report.ratio.to] if report.ratio else []}
    asked |= {f"report.same_batch[{place}]": group for place, group in enumerate(report.same_batch)}
    for key, names in asked.items():
        for name in names:
            if name not in named:
                raise SuiteError(
                    f"{key}: {shown(name)} is not an acquisition function of the suite{suggestion(name, named)}"
                )


def _split(assignment: str, option: str) -> tuple[str, Any]:
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise SuiteError(f"{option} {assignment}: write {option} KEY=VALUE")
    return key.strip(), safe_yaml.parse(text, f"{option} {assignment}")
