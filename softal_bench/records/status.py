"""How the trials of a suite, or the cells of a cost suite, stand at this moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softal_bench.errors import one_line
from softal_bench.journal.file import Journal, is_locked
from softal_bench.journal.lines import FAILURES, Status
from softal_bench.records.cells import CostResults, collect_cells
from softal_bench.records.lookup import Problem
from softal_bench.records.trials import Results, collect
from softal_bench.suite import AnyCondition, CostSuite, Suite


@dataclass(frozen=True)
class Standing:
    """A trial or a cell.

    Attributes:
        name: for people, without the acquisition function: `B=5, trial 0`.
        status: of its journal, or running.
        error: what ended it, on one line.
        record: its journal, if it has one.
    """

    condition: AnyCondition
    name: str
    key: str
    status: Status
    error: str
    record: Journal | None

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


def counts(of: Sequence[Standing]) -> dict[Status, int]:
    """Return how many there are of each status that one of them has, in the order of `Status`."""
    statuses = [one.status for one in of]
    return {status: statuses.count(status) for status in Status if status in statuses}


def failed(of: Sequence[Standing]) -> list[Standing]:
    """Return those that ended other than well."""
    return [one for one in of if one.status in FAILURES]


def stale(of: Sequence[Standing]) -> list[Standing]:
    """Return those that were computed with code that differs from the installed code."""
    return [one for one in of if one.status == Status.STALE]


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


def _status_in(folder: Path) -> Callable[[str, Status], Status]:
    def status(key: str, journalled: Status) -> Status:
        going_on = journalled in (Status.UNFINISHED, Status.NOT_RUN, Status.NOT_TRIED) and is_locked(
            folder / f"{key}.jsonl"
        )
        return Status.RUNNING if going_on else journalled

    return status
