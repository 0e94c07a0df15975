"""A suite file -> a validated suite -> its list of conditions."""

import copy
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError, create_model

from softal_bench.errors import SuiteError, shown, suggestion
from softal_bench.suite import safe_yaml
from softal_bench.suite.condition import AnyCondition, Condition
from softal_bench.suite.cost import CostCondition
from softal_bench.suite.keys import (
    CostReportOptions,
    CostSuiteKeys,
    ReportOptions,
    Resources,
    SuiteKeys,
    TrialLimits,
    TrialSuiteKeys,
)
from softal_bench.suite.matrix import MAX_CONDITIONS, Raw, expand, matches, set_key
from softal_bench.suite.messages import located, validation_message
from softal_bench.suite.reference import Reference, load_reference
from softal_bench.suite.sources import SyntheticSource, TrainedSource

C = TypeVar("C", bound=AnyCondition)
K = TypeVar("K", bound=SuiteKeys)


@dataclass(frozen=True)
class AnySuite:
    """What suites of both kinds share.

    Attributes:
        path: the file.
        varied: the matrix keys with more than one value.
        keys: of these trials or cells only, where some are asked for by their keys.
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
        """Whether the trial or cell of this key is to be run."""
        return self.keys is None or key in self.keys


@dataclass(frozen=True)
class Suite(AnySuite):
    """A suite of trials as asked for: the file with its `--set`, `--only` and `--trials`.

    Attributes:
        conditions: those that are left, in the file's order.
        reference: the published figures that the suite names.
        limits: what a trial may take.
        resources: what a trial asks of a cluster.
    """

    trials: int
    report: ReportOptions
    conditions: list[Condition]
    reference: Reference | None = None
    limits: TrialLimits = field(default_factory=TrialLimits)
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True)
class CostSuite(AnySuite):
    """A cost suite as asked for: the file with its `--set` and `--only`.

    Attributes:
        conditions: its cells, in the file's order.
    """

    report: CostReportOptions
    conditions: list[CostCondition]


def suite_kind(path: Path, settings: Sequence[str] = ()) -> str:
    """The kind of a suite file: "cost", or "trials", as it is if the file says nothing.

    Raises:
        SuiteError: if the file cannot be read, or its kind is another.
    """
    kind = _document(path, settings).get("kind", "trials")
    if kind not in ("trials", "cost"):
        raise SuiteError(f"{path}: kind: {shown(kind)} is no kind of suite; use trials or cost")
    return str(kind)


def load_suite(path: Path, settings: Sequence[str] = (), only: Sequence[str] = (), trials: int | None = None) -> Suite:
    """Read the file of a suite of trials.

    Args:
        path: the file.
        settings: `PATH=VALUE` each, replacing a value of the file before it is read; values are YAML.
        only: `KEY=VALUE` each, keeping the matching conditions; several of one key are alternatives.
        trials: in place of the file's.

    Raises:
        SuiteError: if anything is not as it has to be; says what, where, got and allowed.
    """
    document = _document(path, settings)
    if trials is not None:
        document["trials"] = trials
    with located(str(path)):
        keys, conditions = _read(TrialSuiteKeys, Condition, document)
        if len(conditions) * keys.trials > MAX_CONDITIONS:
            count = len(conditions) * keys.trials
            raise SuiteError(
                f"trials: {keys.trials} of each condition make {count}; at most {MAX_CONDITIONS} are allowed"
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
    """Read the file of a cost suite; arguments and errors are those of `load_suite`."""
    document = _document(path, settings)
    with located(str(path)):
        keys, conditions = _read(CostSuiteKeys, CostCondition, document)
        _require_sources_told_apart(conditions)
        _require_named(keys.report, conditions)
    return CostSuite(**_shared(path, keys), report=keys.report, conditions=_selected(conditions, only))


def suite_schema() -> dict[str, Any]:
    """The JSON Schema of suite files, for editors."""
    schema = TypeAdapter(
        _file_model("Suite of trials", TrialSuiteKeys, Condition)
        | _file_model("Cost suite", CostSuiteKeys, CostCondition)
    ).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _file_model(name: str, keys: type[SuiteKeys], condition_class: type[AnyCondition]) -> Any:
    fields: dict[str, Any] = {}
    for key, known in condition_class.model_fields.items():
        optional = copy.copy(known)  # a key may stand in the matrix instead
        optional.default = None if known.is_required() else known.default
        fields[key] = (known.annotation, optional)
    return create_model(name, __base__=keys, __doc__=f"{name}.", **fields)


def _shared(path: Path, keys: SuiteKeys) -> dict[str, Any]:
    varied = tuple(key for key, values in keys.matrix.items() if len(values) > 1)
    named = {name: getattr(keys, name) for name in ("name", "title", "description", "device")}
    return {"path": path, "varied": varied, **named}


def _read(keys_class: type[K], condition_class: type[C], document: Raw) -> tuple[K, list[C]]:
    """The document's keys, and its conditions."""
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
        if path.stat().st_size > safe_yaml.MAX_BYTES:
            raise SuiteError(f"{path}: {path.stat().st_size} bytes; at most {safe_yaml.MAX_BYTES} are read")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SuiteError(
            f"{path}: no such suite file; `softal-bench list suites` shows those that come with the package"
        ) from error
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path}: not a text file in UTF-8") from error
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read: {error.strerror}") from error
    document = safe_yaml.parse(text, str(path))
    if document is None:
        raise SuiteError(f"{path}: empty; a suite file is a mapping of keys, see docs/suites.md")
    if not isinstance(document, dict):
        raise SuiteError(f"{path}: a {type(document).__name__}, not a mapping of keys; see docs/suites.md")
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
    """The conditions that match, for every key among `only`, one of the values given for it."""
    wanted: dict[str, list[Any]] = {}
    for choice in only:
        key, value = _split(choice, "--only")
        with located(f"--only {choice}"):
            if not any(matches(condition, {key: value}) for condition in conditions):
                there = sorted({str(condition.value(key)) for condition in conditions})
                raise SuiteError(f"matches no condition; {key} is {', '.join(there[:20])}")
        wanted.setdefault(key, []).extend(value if isinstance(value, list) else [value])
    selected = [condition for condition in conditions if matches(condition, wanted)]
    if not selected:
        raise SuiteError(f"--only {' --only '.join(only)}: no condition matches all of them")
    return selected


def _require_sources_told_apart(conditions: list[CostCondition]) -> None:
    """Journals and pages know a source by its label."""
    sources: dict[str, SyntheticSource | TrainedSource] = {}
    for condition in conditions:
        if sources.setdefault(condition.source.label, condition.source) != condition.source:
            raise SuiteError(f"source: two different ones are both called {condition.source.label!r}; split the suite")


def _require_parameter(report: ReportOptions, conditions: list[Condition]) -> None:
    known = {name for each in conditions for name in each.acquisition.parameters}
    if report.against is not None and report.against not in known:
        raise SuiteError(
            f"report.against: {shown(report.against)} is no parameter of the acquisition functions"
            f"{suggestion(report.against, known)} Known: {', '.join(sorted(known)) or 'none'}"
        )


def _require_named(report: CostReportOptions, conditions: list[CostCondition]) -> None:
    named = {name for each in conditions for name in (each.acquisition.name, each.acquisition.label)}
    asked = {"report.ratio": [*report.ratio.of, report.ratio.to] if report.ratio else []}
    asked |= {f"report.same_batch[{place}]": group for place, group in enumerate(report.same_batch)}
    for key, names in asked.items():
        for name in names:
            if name not in named:
                raise SuiteError(
                    f"{key}: {shown(name)} is no acquisition function of the matrix{suggestion(name, named)}"
                )


def _split(assignment: str, option: str) -> tuple[str, Any]:
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise SuiteError(f"{option} {assignment}: write {option} KEY=VALUE")
    return key.strip(), safe_yaml.parse(text, f"{option} {assignment}")
