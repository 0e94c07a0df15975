"""The current status of each trial of a suite, or of each cell of a cost suite."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softal_bench.errors import one_line
from softal_bench.journal.file import Journal, is_locked
from softal_bench.journal.lines import FAILURES, Status
from softal_bench.records.cells import Cell, collect_cells
from softal_bench.records.lookup import Problem
from softal_bench.records.trials import Trial, collect
from softal_bench.suite import AnyCondition, CostSuite, Suite


@dataclass(frozen=True)
class JobStatus:
    """A trial or a cost cell with its status.

    Attributes:
        condition: the condition of the job.
        name: its name in messages, without the acquisition function: `B=5, trial 0`.
        key: the key of the job.
        status: the status in its journal, or running.
        error: the error that ended it, on one line, or an empty string.
        record: its journal, or None.
    """

    condition: AnyCondition
    name: str
    key: str
    status: Status
    error: str
    record: Journal | None

    def as_json(self) -> dict[str, Any]:
        """Return the object that `status --json` prints for a job."""
        return {
            "acquisition": self.condition.acquisition.label,
            "name": self.name,
            "key": self.key,
            "status": self.status,
            "error": self.error,
        }


def trial_statuses(suite: Suite, runs: Path, leaderboard: Path) -> tuple[list[JobStatus], Sequence[Problem]]:
    """Return the status of each trial of a suite, in order, and the journals that cannot be read."""
    results = collect(suite, runs, leaderboard)
    return [
        JobStatus(
            trial.condition,
            f"B={trial.condition.batch_size}, trial {trial.number}",
            trial.key,
            _status_now(trial, runs / suite.name),
            one_line(trial.error),
            trial.record,
        )
        for trial in results.trials
    ], results.problems


def cell_statuses(suite: CostSuite, runs: Path, leaderboard: Path) -> tuple[list[JobStatus], Sequence[Problem]]:
    """Return the status of each cell of a cost suite, in order, and the journals that cannot be read."""
    results = collect_cells(suite, runs, leaderboard)
    return [
        JobStatus(
            cell.condition,
            f"B={cell.condition.batch_size}, N={cell.condition.pool_size}, K={cell.condition.posterior_samples}, "
            f"{cell.condition.source.label}",
            cell.key,
            _status_now(cell, runs / suite.name),
            one_line(cell.error),
            cell.record,
        )
        for cell in results.cells
    ], results.problems


def _status_now(job: Trial | Cell, folder: Path) -> Status:
    """Return the status in the journal, or RUNNING if it has not ended and a runner has locked it."""
    not_ended = job.status in (Status.UNFINISHED, Status.NOT_RUN, Status.NOT_TRIED)
    return Status.RUNNING if not_ended and is_locked(folder / f"{job.key}.jsonl") else job.status


def counts(of: Sequence[JobStatus]) -> dict[Status, int]:
    """Return the number of jobs with each status that occurs, in the order of `Status`."""
    statuses = [one.status for one in of]
    return {status: statuses.count(status) for status in Status if status in statuses}


def failed(of: Sequence[JobStatus]) -> list[JobStatus]:
    """Return the jobs that failed or exceeded a limit."""
    return [one for one in of if one.status in FAILURES]


def stale(of: Sequence[JobStatus]) -> list[JobStatus]:
    """Return the jobs that were computed with code that differs from the installed code."""
    return [one for one in of if one.status == Status.STALE]
