"""Golden trials give the same results as when the golden file was written."""

from pathlib import Path

import pytest

from softal_bench.registry import models
from softal_bench.suite import Condition

from .compare import GOLDEN_FILE, decided, failure
from .record import Record
from .trials import TRIALS


@pytest.mark.parametrize("name", TRIALS)
def test_a_golden_trial_reproduces_its_results(name: str, golden: Record, golden_data: Path) -> None:
    problem = failure(name, golden, golden_data)
    if problem:
        pytest.fail(problem, pytrace=False)


def test_the_golden_file_has_exactly_these_trials(golden: Record) -> None:
    assert list(golden["trials"]) == list(TRIALS)
    assert GOLDEN_FILE.stat().st_size < 500_000


def test_each_built_in_model_has_a_golden_trial() -> None:
    built_in = {name for name in models.names() if models.listing(name).distribution == "softal-bench"}
    assert {"lenet5", "mlp"} <= built_in
    assert built_in <= {Condition(**spec).model.name for spec in TRIALS.values()}


@pytest.mark.parametrize("name", TRIALS)
def test_most_picks_of_a_golden_trial_are_decided_by_more_than_rounding(name: str, golden: Record) -> None:
    acquiring = [entry for entry in golden["trials"][name]["rounds"] if entry["acquired"]]
    assert acquiring
    assert sum(map(decided, acquiring)) >= 0.75 * sum(len(entry["acquired"]) for entry in acquiring)


@pytest.mark.parametrize("name", [name for name in TRIALS if not name.startswith(("ensemble", "logistic"))])
def test_the_masks_of_each_prediction_are_in_the_golden_file(name: str, golden: Record) -> None:
    for entry in golden["trials"][name]["rounds"]:
        assert {"training", "evaluation"} <= set(entry["masks"])
        assert ("posterior" in entry["masks"]) == bool(entry["acquired"])
        assert ("evaluation posterior" in entry["masks"]) == ("epig_bald" in name and bool(entry["acquired"]))
