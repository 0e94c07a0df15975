"""How the trials of a suite, or the cells of a cost suite, stand at this moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softal_bench.errors import one_line
from softal_bench.journal.file import TrialRecord, is_locked
from softal_bench.records.cells import CostResults, collect_cells
from softal_bench.records.lookup import DONE, FAILED, STATUSES, Problem
from softal_bench.records.trials import Results, collect
from softal_bench.run.stale import STALE
from softal_bench.suite import AnyCondition, CostSuite, Suite

RUNNING = "running"
WORDS = {DONE: "done", RUNNING: RUNNING, **STATUSES}  # headings of a table, in this order


@dataclass(frozen=True)
class Standing:
    """A trial or a cell.

    Attributes:
        name: for people, without the acquisition function: `B=5, trial 0`.
        status: a key of WORDS.
        error: what ended it, on one line.
        record: its journal, if it has one.
    """

    condition: AnyCondition
    name: str
    key: str
    status: str
    error: str
    record: TrialRecord | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        told = {"acquisition": self.condition.acquisition.label, "name": self.name, "key": self.key}
        return {**told, "status": self.status, "error": self.error}


def standings(suite: Suite | CostSuite, runs: Path, leaderboard: Path) -> tuple[list[Standing], Sequence[Problem]]:
    """Return how everything in the suite stands, in its order, and the journals that cannot be read. Writes nothing."""
    folder = runs / suite.name
    if isinstance(suite, CostSuite):
        return _of_cells(collect_cells(suite, runs, leaderboard), folder)
    return _of_trials(collect(suite, runs, leaderboard), folder)


def counts(of: Sequence[Standing]) -> dict[str, int]:
    """Return how many there are of each status that one of them has, in the order of WORDS."""
    statuses = [one.status for one in of]
    return {status: statuses.count(status) for status in WORDS if status in statuses}


def failed(of: Sequence[Standing]) -> list[Standing]:
    """Return those that ended other than well."""
    return [one for one in of if one.status in FAILED]


def stale(of: Sequence[Standing]) -> list[Standing]:
    """Return those that were computed with code that differs from the installed code."""
    return [one for one in of if one.status == STALE]


def _of_trials(results: Results, folder: Path) -> tuple[list[Standing], Sequence[Problem]]:
    status = _status_in(folder)
    return [
        Standing(
            trial.condition,
            f"B={trial.condition.batch_size}, trial {trial.number}",
            trial.key,
            status(trial.key, trial.status),
            one_line(trial.error),
            trial.record,
        )
        for trial in results.trials
    ], results.problems


def _of_cells(results: CostResults, folder: Path) -> tuple[list[Standing], Sequence[Problem]]:
    status = _status_in(folder)
    return [
        Standing(
            cell.condition,
            f"B={cell.condition.batch_size}, N={cell.condition.pool_size}, K={cell.condition.posterior_samples}, "
            f"{cell.condition.source.label}",
            cell.key,
            status(cell.key, cell.status),
            one_line(cell.error),
            cell.record,
        )
        for cell in results.cells
    ], results.problems


def _status_in(folder: Path) -> Callable[[str, str], str]:
    def status(key: str, journalled: str) -> str:
        going_on = journalled in ("unfinished", "not_run", "not_tried") and is_locked(folder / f"{key}.jsonl")
        return RUNNING if going_on else journalled

    return status
