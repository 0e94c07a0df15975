"""A suite file -> a validated Suite -> its list of Conditions."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model

from softal_bench.errors import SuiteError, suggestion
from softal_bench.suite import safe_yaml
from softal_bench.suite.condition import Condition
from softal_bench.suite.keys import ReportOptions, SuiteKeys
from softal_bench.suite.matrix import Raw, expand, matches, set_key
from softal_bench.suite.messages import located, validation_message


@dataclass(frozen=True)
class Suite:
    """A suite as asked for: the file with its `--set`, `--only` and `--trials`.

    Attributes:
        path: the file.
        conditions: those that are left, in the file's order.
        varied: the matrix keys with more than one value.
    """

    path: Path
    name: str
    title: str | None
    description: str
    device: str
    trials: int
    report: ReportOptions
    conditions: list[Condition]
    varied: tuple[str, ...]


def load_suite(path: Path, settings: Sequence[str] = (), only: Sequence[str] = (), trials: int | None = None) -> Suite:
    """Read a suite file.

    Args:
        path: the file.
        settings: `PATH=VALUE` each, replacing a value of the file before it is read; values are YAML.
        only: `KEY=VALUE` each, keeping the matching conditions; several of one key are alternatives.
        trials: in place of the file's.

    Raises:
        SuiteError: if anything is not as it has to be; says what, where, got and allowed.
    """
    document = _document(path)
    for setting in settings:
        _apply_setting(document, setting)
    if trials is not None:
        document["trials"] = trials
    with located(str(path)):
        keys = _suite_keys(document)
        base = {key: value for key, value in document.items() if key in Condition.model_fields}
        conditions = expand(base, keys)
    return Suite(
        path,
        keys.name,
        keys.title,
        keys.description,
        keys.device,
        keys.trials,
        keys.report,
        _selected(conditions, only),
        tuple(key for key, values in keys.matrix.items() if len(values) > 1),
    )


def suite_schema() -> dict[str, Any]:
    """The JSON Schema of suite files, for editors."""
    fields: dict[str, Any] = {}
    for name, field in Condition.model_fields.items():
        optional = copy.copy(field)  # a key may stand in the matrix instead
        optional.default = None if field.is_required() else field.default
        fields[name] = (field.annotation, optional)
    model = create_model("Suite", __base__=SuiteKeys, __doc__="A suite file of softal-bench.", **fields)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema()


def _document(path: Path) -> Raw:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SuiteError(f"{path}: no such suite file; suites are YAML files such as suites/quickstart.yaml") from error
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path}: not a text file in UTF-8") from error
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read: {error.strerror}") from error
    document = safe_yaml.parse(text, str(path))
    if document is None:
        raise SuiteError(f"{path}: empty; a suite file is a mapping of keys, see suites/quickstart.yaml")
    if not isinstance(document, dict):
        raise SuiteError(f"{path}: a {type(document).__name__}, not a mapping of keys; see suites/quickstart.yaml")
    return document


def _apply_setting(document: Raw, setting: str) -> None:
    key, value = _split(setting, "--set")
    with located(f"--set {setting}"):
        if key in document.get("matrix", {}):
            raise SuiteError(f"{key} is varied in the matrix; use --set matrix.{key}=[...] or --only {key}=...")
        set_key(document, key, value)


def _selected(conditions: list[Condition], only: Sequence[str]) -> list[Condition]:
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


def _split(assignment: str, option: str) -> tuple[str, Any]:
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise SuiteError(f"{option} {assignment}: write {option} KEY=VALUE")
    return key.strip(), safe_yaml.parse(text, f"{option} {assignment}")


def _suite_keys(document: Raw) -> SuiteKeys:
    known = [*SuiteKeys.model_fields, *Condition.model_fields]
    for key in document:
        if key not in known:
            raise SuiteError(f"unknown key {key!r}{suggestion(key, known)} Known: {', '.join(known)}")
    try:
        return SuiteKeys(**{key: value for key, value in document.items() if key in SuiteKeys.model_fields})
    except ValidationError as error:
        raise SuiteError(validation_message(error, {})) from error
