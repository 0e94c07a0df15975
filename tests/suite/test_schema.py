"""The schema for editors has the same rules as the reading of suites."""

import json
from pathlib import Path
from typing import Any

import pytest

import softal_bench.suite
from softal_bench.suite import Condition, suite_schema
from softal_bench.suite.keys import TrialSuiteKeys
from softal_bench.suite.safe_yaml import parse

from .example import tiny

SHIPPED = Path(softal_bench.suite.__file__).with_name("suite.schema.json")
SUITES = sorted((Path(__file__).parents[2] / "suites").glob("*.yaml"))


def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed; `make test` installs it")
    return jsonschema.Draft202012Validator(suite_schema())


def test_the_shipped_schema_is_up_to_date() -> None:
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == suite_schema()


def of_kind(kind: str) -> dict[str, Any]:
    """Return the part of the schema for one kind of suite file."""
    schema = suite_schema()
    parts = [schema["$defs"][part["$ref"].removeprefix("#/$defs/")] for part in schema["anyOf"]]
    (found,) = [part for part in parts if part["properties"]["kind"]["const"] == kind]
    return dict(found)


def test_the_schema_has_exactly_the_keys_of_a_suite_of_trials() -> None:
    schema = of_kind("trials")
    assert set(schema["properties"]) == {*TrialSuiteKeys.model_fields, *Condition.model_fields}
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name"]  # the other keys may be in the matrix


@pytest.mark.parametrize("kind", ["trials", "cost"])
def test_the_schema_explains_every_key(kind: str) -> None:
    definitions = suite_schema()["$defs"]
    for key, value in of_kind(kind)["properties"].items():
        named = definitions.get(value.get("$ref", "").removeprefix("#/$defs/"), {})
        assert {**named, **value}.get("description"), key


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.name)
def test_each_shipped_suite_names_the_schema_for_editors(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == SHIPPED.resolve()


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.name)
def test_each_shipped_suite_is_valid_under_the_schema(path: Path) -> None:
    data = parse(path.read_text(encoding="utf-8"), path.name)
    assert [error.message for error in validator().iter_errors(data)] == []


@pytest.mark.parametrize(
    "changes",
    [{"trails": 3}, {"budget": "many"}, {"trials": 0}, {"name": "a/b"}, {"matrix": {"batch_size": 5}}, {"dataset": 3}],
    ids=str,
)
def test_the_schema_rejects_invalid_suites(changes: dict[str, Any]) -> None:
    assert validator().is_valid(tiny())
    assert not validator().is_valid(tiny(**changes))
