"""Which journal is used for a cell, which cells are not tried, and how unreadable journals are treated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from softal_bench.report.stats.cost import median_selection

from ..example import write
from .conftest import JOINT
from .example import ExampleCosts, lines


def status(costs: ExampleCosts, label: str, pool_size: int, batch_size: int) -> str:
    condition = costs.condition(label, pool_size, batch_size)
    (found,) = [cell.status for cell in costs.collect().cells if cell.key == condition.key(0)]
    return found


def test_larger_b_are_not_tried_after_a_cell_over_a_limit(costs: ExampleCosts) -> None:
    assert status(costs, JOINT, 100_000, 5) == "timeout"
    assert status(costs, JOINT, 100_000, 10) == "not_tried"


@pytest.mark.parametrize(("ended", "after"), [("out_of_memory", "not_tried"), ("failed", "not_run")])
def test_out_of_memory_ends_a_sweep_but_a_failure_does_not(costs: ExampleCosts, ended: str, after: str) -> None:
    write(costs.path(over := costs.condition(JOINT, 100_000, 5)), lines(over, status=ended))
    assert status(costs, JOINT, 100_000, 10) == after


def test_a_limit_on_one_device_does_not_affect_other_devices(costs: ExampleCosts) -> None:
    write(costs.path(one := costs.condition(JOINT, 100_000, 1)), lines(one, [5.0], device="Another CPU"))
    another, example = costs.settings()
    found = [setting.cells[JOINT, 100_000, 10].status for setting in (another, example)]
    assert found == ["not_run", "not_tried"]


def test_smaller_b_and_other_sweeps_without_a_journal_are_not_run(costs: ExampleCosts) -> None:
    for condition in (costs.condition(JOINT, 100_000, 2), costs.condition("bald", 100_000, 10)):
        costs.path(condition).unlink()
    assert status(costs, JOINT, 100_000, 2) == "not_run"
    assert status(costs, "bald", 100_000, 10) == "not_run"


def test_a_measured_cell_counts_even_if_a_smaller_one_exceeds_a_limit(costs: ExampleCosts) -> None:
    """Its journal may come from a run with a longer limit."""
    write(costs.path(larger := costs.condition(JOINT, 100_000, 10)), lines(larger, [30.0]))
    assert status(costs, JOINT, 100_000, 10) == "done"


@pytest.mark.parametrize(
    ("run", "recorded", "taken"),
    [
        (([1.0], "done"), ([2.0], "done"), 1.0),
        (([], "failed"), ([2.0], "done"), 2.0),
        (([1.0], "done"), ([], "timeout"), 1.0),
    ],
)
def test_done_journals_are_preferred_then_those_of_runs(
    tmp_path: Path, run: tuple[list[float], str], recorded: tuple[list[float], str], taken: float
) -> None:
    costs = ExampleCosts(tmp_path)
    condition = costs.condition("uniform")
    write(costs.path(condition), lines(condition, *run))
    write(costs.path(condition, recorded=True), lines(condition, *recorded))
    assert median_selection(costs.collect().cells[0]) == taken


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda journal: journal[0].update(key="another"), "holds trial 0 of key 'another'"),
        (lambda journal: journal[2].update(batch_size=7), "batch_size is 7, but 1"),
        (lambda journal: journal[2].update(pool_size=7), "pool_size is 7, but 1000"),
        (lambda journal: journal[2].update(seconds=[-1.0]), "(cost): seconds.0"),
        (lambda journal: journal[2].update(seconds=[float("nan")]), "seconds"),
        (lambda journal: journal[2].update(seconds=[]), "has no seconds"),
        (lambda journal: journal[2].update(peak_bytes="much"), "peak_bytes"),
        (lambda journal: journal[2].update(acquired=[3, 3]), "acquired has 2 positions, 1 of them distinct; need 1"),
        (lambda journal: journal[2].update(acquired=[-1]), "acquired.0"),
        (lambda journal: journal[2].update(acquired=["3"]), "acquired"),
        (lambda journal: journal[2].update(status="timeout"), "ends as 'done', but its cost line says 'timeout'"),
        (lambda journal: journal.insert(2, journal[2]), "2 cost lines"),
        (lambda journal: journal.pop(2), "has no seconds"),
        (lambda journal: journal[2].pop("source"), "lacks source"),
        (lambda journal: journal[-1].update(status="splendid"), "unknown status 'splendid'"),
    ],
)
def test_an_invalid_journal_is_reported_as_a_problem(
    costs: ExampleCosts, change: Callable[[list[dict[str, Any]]], object], message: str
) -> None:
    condition = costs.condition("uniform")
    journal = lines(condition, [1.0])
    change(journal)
    write(costs.path(condition), journal)
    results = costs.collect()
    assert results.cells[0].status == "unreadable"
    (problem,) = results.problems
    assert problem.path == costs.path(condition)
    assert message in problem.message


def test_a_cell_that_failed_before_its_cost_line_keeps_its_error(costs: ExampleCosts) -> None:
    condition = costs.condition("uniform")
    journal = lines(condition, status="failed", error="two attempts in a row died")
    del journal[2]
    write(costs.path(condition), journal)
    cell = costs.collect().cells[0]
    assert (cell.status, cell.error) == ("failed", "two attempts in a row died")
