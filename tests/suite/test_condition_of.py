"""A condition is restored from its description in a journal's header, with the same key."""

import json
from pathlib import Path
from typing import Any

import pytest

from softal_bench.errors import SuiteError
from softal_bench.registry import acquisitions
from softal_bench.suite import Condition, CostCondition, condition_of, load_cost_suite, load_suite, suite_kind

from .conftest import Loader
from .example import acquiring

SUITES = sorted((Path(__file__).parents[2] / "suites").glob("*.yaml"))


def through_a_header(condition: Condition | CostCondition) -> Condition | CostCondition:
    return condition_of(json.loads(json.dumps(condition.describe())))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_each_condition_of_a_shipped_suite_is_restored_with_its_key(path: Path) -> None:
    if path.stem == "peers" and "baal_bald" not in acquisitions.names():
        pytest.skip("softal-bench-peers is not installed; `make test-peers` runs this test with it")
    conditions = (load_cost_suite if suite_kind(path) == "cost" else load_suite)(path).conditions
    assert conditions
    for condition in conditions:
        again = through_a_header(condition)
        assert type(again) is type(condition)
        assert [again.key(trial) for trial in (0, 7)] == [condition.key(trial) for trial in (0, 7)]
        assert again.describe() == condition.describe()


@pytest.mark.parametrize(
    "changes",
    [
        {"pool_subset": 200},
        {"validation": {"stratified": True}, "initial": {"size": 10, "balanced": True}},
        {"training": {"patience": [3, 2], "learning_rate_decay": 0.5}},
        {"dataset": {"repeated": {"of": "digits", "times": 3, "noise_std": 1}}},
        {"matrix": acquiring({"power": {"score": "entropy", "temperature": 2}})},
    ],
    ids=str,
)
def test_non_default_values_are_restored(load: Loader, changes: dict[str, Any]) -> None:
    condition = load(**changes).conditions[0]
    assert through_a_header(condition).key(3) == condition.key(3)


def test_a_label_has_no_effect(load: Loader) -> None:
    condition = load().conditions[0]
    described = condition.describe()
    described["acquisition"]["label"] = "<script>"
    again = condition_of(described)
    assert again.key(0) == condition.key(0)
    assert again.acquisition.label == "uniform"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"acquisition": {"label": "x", "name": "unifrom", "parameters": {}}}, "did you mean 'uniform'?"),
        ({"acquisition": {"label": "x", "name": "bald", "parameters": {"a": 1}}}, "bald: unknown parameter 'a'"),
        ({"acquisition": {"label": "x", "name": ["bald"], "parameters": {}}}, "acquisition: "),
        ({"budget": "many"}, "budget: "),
        ({"spare": 1}, "spare: unknown key"),
        ({"acquisition": None}, "acquisition: "),
    ],
    ids=str,
)
def test_an_invalid_description_is_reported_with_its_place(load: Loader, changes: dict[str, Any], what: str) -> None:
    with pytest.raises(SuiteError) as error:
        condition_of({**load().conditions[0].describe(), **changes})
    assert what in str(error.value)


def test_plugins_nested_too_deeply_are_an_error(load: Loader) -> None:
    nested: Any = "digits"
    for _ in range(2000):
        nested = {"repeated": {"of": nested}}
    described = load().conditions[0].describe()
    described["dataset"] = {"label": "x", "name": "repeated", "parameters": {"of": nested}}
    with pytest.raises(SuiteError, match="nested too deeply"):
        condition_of(described)
