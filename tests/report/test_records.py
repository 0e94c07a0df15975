"""Which journal is used for a trial, and how unreadable journals are treated."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from softal_bench.journal.lines import Status
from softal_bench.records.lookup import describe_counts

from .example import ExampleSuite, lines, write


def statuses(suite: ExampleSuite) -> list[str]:
    return [trial.status for trial in suite.collect().trials]


def test_trials_without_a_journal_are_not_run(tmp_path: Path) -> None:
    suite = ExampleSuite(tmp_path)
    assert statuses(suite) == ["not_run"] * 3
    assert suite.collect().problems == ()


def test_a_trial_with_a_truncated_header_is_not_run(suite: ExampleSuite) -> None:
    suite.path(suite.conditions[0], 1).write_text('{"kind": "hea')
    assert statuses(suite) == ["done", "not_run", "done"]


@pytest.mark.parametrize(
    ("run", "recorded", "taken"),
    [
        (([0.5, 0.6, 0.7, 0.8], None), ([0.1], "done"), 0.1),
        (([0.5], "done"), ([0.1, 0.2], "done"), 0.2),
        (([0.5, 0.6], "failed"), ([0.1], "done"), 0.1),
        (([0.5], None), ([0.1, 0.2], None), 0.2),
        (([0.5], "failed"), ([0.1, 0.2], None), 0.5),
        (([0.5], "done"), ([0.1], "done"), 0.5),
        (([0.5], None), ([0.1], None), 0.5),
    ],
)
def test_finished_journals_are_preferred_then_longer_ones_then_those_of_runs(
    tmp_path: Path,
    run: tuple[list[float], str | None],
    recorded: tuple[list[float], str | None],
    taken: float,
) -> None:
    suite = ExampleSuite(tmp_path, trials=1)
    condition = suite.conditions[0]
    write(suite.path(condition, 0), lines(condition, 0, *run))
    write(suite.path(condition, 0, recorded=True), lines(condition, 0, *recorded))
    (trial,) = suite.collect().trials
    assert trial.accuracies[-1] == taken


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda journal: journal[0].update(schema=99), "schema 99"),
        (lambda journal: journal[0].update(key="another"), "holds trial 0 of key 'another'"),
        (lambda journal: journal[0].update(trial=2), "holds trial 2"),
        (lambda journal: journal[2].update(accuracy=1.5), "accuracy"),
        (lambda journal: journal[2].update(accuracy="high"), "accuracy"),
        (lambda journal: journal[2].update(accuracy=float("nan")), "accuracy"),
        (lambda journal: journal[3].update(labels=20), "line 4 (round): has 20 labels, expected 30"),
        (lambda journal: journal[2].update(seconds={"train": -1}), "seconds"),
        (lambda journal: journal[-1].update(status="splendid"), "unknown status 'splendid'"),
        (lambda journal: journal.__delitem__(slice(2, -1)), "has no round"),
        (lambda journal: journal.pop(0), "the first line is not a header"),
    ],
)
def test_an_invalid_journal_is_reported_as_a_problem(
    suite: ExampleSuite, change: Callable[[list[dict[str, Any]]], object], message: str
) -> None:
    condition = suite.conditions[0]
    journal = lines(condition, 0, [0.5, 0.6])
    change(journal)
    write(suite.path(condition, 0), journal)
    results = suite.collect()
    assert [trial.status for trial in results.trials] == ["unreadable", "done", "done"]
    (problem,) = results.problems
    assert problem.path == suite.path(condition, 0)
    assert message in problem.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda journal: journal[3].update(labels=31), "line 4 (round): has 31 labels, expected 30"),
        (lambda journal: journal.pop(3), "line 4 (round): is round 2, expected round 1"),
        (lambda journal: journal.pop(4), "30 labels of a budget of 35 and acquired 10 more"),
        (lambda journal: journal.__delitem__(slice(3, 5)), "20 labels of a budget of 35 and acquired 10 more"),
        (lambda journal: journal[3].update(acquired=[]), "line 5 (round): has 40 labels, expected 30"),
        (lambda journal: journal[4].update(acquired=[1]), "round 2 has 40 labels and acquired 1, expected 40 and 10"),
        (lambda journal: journal[4].update(acquired=[*range(10)]), "40 labels of a budget of 35 and acquired 10 more"),
        (lambda journal: [line.update(labels=line["labels"] + 1) for line in journal[2:5]], "round 0 has 21 labels"),
    ],
)
def test_a_done_journal_needs_all_rounds_of_its_condition(
    suite: ExampleSuite, change: Callable[[list[dict[str, Any]]], object], message: str
) -> None:
    condition = replace(suite.conditions[0], budget=35)
    suite = replace(suite, conditions=[condition], trials=1)
    journal = lines(condition, 0, [0.5, 0.6, 0.7])
    change(journal)
    write(suite.path(condition, 0), journal)
    results = suite.collect()
    assert [trial.status for trial in results.trials] == ["unreadable"]
    assert message in results.problems[0].message


def test_a_trial_resumed_on_another_device_lists_both(suite: ExampleSuite) -> None:
    journal = lines(suite.conditions[0], 0, [0.5, 0.6])
    first = journal[0]["environment"]
    second = {"kind": "attempt", "device": "cuda:0", "device_name": "NVIDIA H200", "platform": "Linux"}
    write(suite.path(suite.conditions[0], 0), [*journal[:3], {"kind": "attempt", **first}, second, *journal[3:]])
    trial = next(suite.collect().trials)
    assert trial.device == "Example CPU, 2 cores (cpu), then NVIDIA H200 (cuda)"
    assert trial.of_environment("platform") == "Linux"


def test_a_journal_that_is_not_json_or_is_a_folder_is_reported(suite: ExampleSuite) -> None:
    condition = suite.conditions[0]
    suite.path(condition, 0).write_bytes(b"\xff\xfe not JSON\n")
    suite.path(condition, 1).unlink()
    suite.path(condition, 1).mkdir()
    results = suite.collect()
    assert [trial.status for trial in results.trials] == ["unreadable", "unreadable", "done"]
    assert len(results.problems) == 2


def test_an_unreadable_journal_is_reported_and_the_other_journal_is_used(
    suite: ExampleSuite,
) -> None:
    recorded = suite.path(suite.conditions[0], 0, recorded=True)
    write(recorded, [{"kind": "header"}])
    results = suite.collect()
    assert [trial.status for trial in results.trials] == ["done"] * 3
    assert [problem.path for problem in results.problems] == [recorded]


def test_counts_name_each_status_once(suite: ExampleSuite) -> None:
    condition = suite.conditions[0]
    write(suite.path(condition, 2), lines(condition, 2, [0.5], "out_of_memory", "CUDA out of memory"))
    trials = list(replace(suite, trials=4).collect().trials)
    assert describe_counts(trials) == "2 done, 1 out of memory, 1 not run"
    assert describe_counts(trials, but=Status.DONE) == "1 out of memory, 1 not run"
    assert trials[2].error == "CUDA out of memory"
