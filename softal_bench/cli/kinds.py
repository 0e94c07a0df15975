"""The two kinds of suites. Commands use a suite only through its `Kind`, so that they work for both."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from softal_bench.cli.options import SuiteRequest
from softal_bench.cli.plan import Outlook, outlook_of_cells, outlook_of_trials
from softal_bench.errors import SuiteError
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import OVER_A_LIMIT, Status
from softal_bench.journal.origin import was_timed_as_on
from softal_bench.records.cells import Cell, collect_cells
from softal_bench.records.export import rounds_table, samples_table
from softal_bench.records.lookup import Problem
from softal_bench.records.status import JobStatus, cell_statuses, trial_statuses
from softal_bench.records.trials import Trial, collect
from softal_bench.report.pages.cost import write_cost_pages
from softal_bench.report.pages.trials import write_pages
from softal_bench.report.stats.cost import cost_tables
from softal_bench.report.stats.tables import Table, labels_to_target_tables
from softal_bench.run.cells import cell_jobs, preflight_cells, run_cells
from softal_bench.run.executors.contract import Executor
from softal_bench.run.executors.local import Inline
from softal_bench.run.jobs import NONE_PUBLISHED, Job, Observer, Preflight, Published
from softal_bench.run.trials import num_trainings, preflight, run_trials, trial_jobs
from softal_bench.suite import CostSuite, Suite, find_suite, load_cost_suite, load_suite, suite_kind
from softal_bench.trial.partition import num_rounds


@dataclass(frozen=True)
class Page:
    """A page that was written.

    Attributes:
        path: the page.
        tables: its main tables.
        problems: journals that cannot be read.
    """

    path: Path
    tables: Sequence[Table]
    problems: Sequence[Problem]


class Kind(ABC):
    """A suite, and what commands do with it.

    Attributes:
        noun: the name of the kind.
        plural: the name of its jobs.
        parallel: whether several jobs may run at a time.
        columns: the columns of the table of conditions.
        suite: the suite as requested.
        published: by key, the records that count instead of a journal in the runs folder.
    """

    noun: str
    plural: str
    parallel: bool
    columns: Sequence[str]
    suite: Suite | CostSuite
    published: Mapping[str, Published]

    @property
    def threads(self) -> int:
        """The number of CPU threads that a job needs; of several numbers, the largest."""
        return max(condition.threads for condition in self.suite.conditions)

    @abstractmethod
    def rows(self) -> list[list[str]]:
        """Return a row of the table of conditions for each condition; see `columns`."""

    @abstractmethod
    def plan(self) -> str:
        """Return the amount of work in words."""

    @abstractmethod
    def jobs(self, runs: Path) -> Sequence[Job[Any]]:
        """Return the jobs that a run consists of."""

    @abstractmethod
    def only(self, keys: frozenset[str]) -> "Kind":
        """Return the same suite, with only the jobs that have these keys."""

    @abstractmethod
    def counting(self, published: Mapping[str, Published]) -> "Kind":
        """Return the same suite, with these published records."""

    @abstractmethod
    def recorded(self, runs: Path, leaderboard: Path) -> Sequence[Trial | Cell]:
        """Return each job with the journal that counts."""

    @abstractmethod
    def statuses(self, runs: Path, leaderboard: Path) -> tuple[list[JobStatus], Sequence[Problem]]:
        """Return the status of each job, and the journals that cannot be read."""

    @abstractmethod
    def counts_on(self, device: torch.device | None, record: Journal) -> bool:
        """Return whether a run on this device may use a published record instead of computing the job.

        The device is None if this machine does not have the suite's device.
        """

    @abstractmethod
    def preflight(self, data_root: Path, fetch: bool) -> Preflight:
        """Check the conditions against their data and this machine."""

    @abstractmethod
    def outlook(self, runs: Path, data_root: Path, executor: Executor, fresh: bool) -> Outlook:
        """Return the time and memory that a run needs; `fresh` recomputes finished jobs."""

    @abstractmethod
    def run(self, runs: Path, data_root: Path, observer: Observer, executor: Executor) -> dict[Status, int]:
        """Run the jobs that are not finished; return the number of jobs by status."""

    @abstractmethod
    def all_well(self, statuses: dict[Status, int]) -> bool:
        """Return whether no job failed."""

    @abstractmethod
    def write_page(self, runs: Path, leaderboard: Path) -> Page:
        """Write the page of the suite from its journals."""

    @abstractmethod
    def table(self, runs: Path, leaderboard: Path) -> tuple[pd.DataFrame, Sequence[Problem]]:
        """Return all measurements as one table, and the journals that cannot be read."""


class Trials(Kind):
    """A suite of trials."""

    noun = plural = "trials"
    parallel = True

    def __init__(self, suite: Suite, published: Mapping[str, Published] = NONE_PUBLISHED) -> None:
        self.suite: Suite = suite
        self.published = published
        self._varied = [key for key in suite.varied if key not in ("acquisition", "batch_size")]
        self.columns = ["acquisition function", "B", "K", *self._varied, "rounds per trial", "trials"]

    def rows(self) -> list[list[str]]:
        return [
            [
                condition.acquisition.label,
                str(condition.batch_size),
                str(condition.posterior_samples),
                *[str(condition.value(key)) for key in self._varied],
                str(num_rounds(condition)),
                str(self.suite.trials),
            ]
            for condition in self.suite.conditions
        ]

    def plan(self) -> str:
        count, trials = len(self.suite.conditions), self.suite.trials
        return f"{count} conditions, {trials} trials each, {num_trainings(self.suite)} trainings"

    def jobs(self, runs: Path) -> Sequence[Job[Any]]:
        return trial_jobs(self.suite, runs, self.published)

    def only(self, keys: frozenset[str]) -> "Trials":
        return Trials(replace(self.suite, keys=keys), self.published)

    def counting(self, published: Mapping[str, Published]) -> "Trials":
        return Trials(self.suite, published)

    def recorded(self, runs: Path, leaderboard: Path) -> Sequence[Trial | Cell]:
        return list(collect(self.suite, runs, leaderboard).trials)

    def statuses(self, runs: Path, leaderboard: Path) -> tuple[list[JobStatus], Sequence[Problem]]:
        return trial_statuses(self.suite, runs, leaderboard)

    def counts_on(self, device: torch.device | None, record: Journal) -> bool:
        return True

    def preflight(self, data_root: Path, fetch: bool) -> Preflight:
        return preflight(self.suite, data_root, fetch)

    def outlook(self, runs: Path, data_root: Path, executor: Executor, fresh: bool) -> Outlook:
        return outlook_of_trials(self.suite, trial_jobs(self.suite, runs, self.published), data_root, executor, fresh)

    def run(self, runs: Path, data_root: Path, observer: Observer, executor: Executor) -> dict[Status, int]:
        return run_trials(self.suite, runs, data_root, observer, executor, self.published)

    def all_well(self, statuses: dict[Status, int]) -> bool:
        return set(statuses) <= {Status.DONE}

    def write_page(self, runs: Path, leaderboard: Path) -> Page:
        results = collect(self.suite, runs, leaderboard)
        return Page(write_pages(results, leaderboard), labels_to_target_tables(results), results.problems)

    def table(self, runs: Path, leaderboard: Path) -> tuple[pd.DataFrame, Sequence[Problem]]:
        results = collect(self.suite, runs, leaderboard)
        return rounds_table(results), results.problems


class Cost(Kind):
    """A cost suite. A cell that exceeds its limits is a result, not a failure."""

    noun = "cost"
    plural = "cells"
    parallel = False  # cells that run at the same time would slow one another down
    columns = ("acquisition function", "B", "N", "K", "source")

    def __init__(self, suite: CostSuite, published: Mapping[str, Published] = NONE_PUBLISHED) -> None:
        self.suite: CostSuite = suite
        self.published = published

    def rows(self) -> list[list[str]]:
        return [
            [
                condition.acquisition.label,
                str(condition.batch_size),
                str(condition.pool_size),
                str(condition.posterior_samples),
                condition.source.label,
            ]
            for condition in self.suite.conditions
        ]

    def plan(self) -> str:
        sources = dict.fromkeys(condition.source.label for condition in self.suite.conditions)
        return f"{len(self.suite.conditions)} cells, log-probs from {' and '.join(sources)}"

    def jobs(self, runs: Path) -> Sequence[Job[Any]]:
        return cell_jobs(self.suite, runs, self.published)

    def only(self, keys: frozenset[str]) -> "Cost":
        return Cost(replace(self.suite, keys=keys), self.published)

    def counting(self, published: Mapping[str, Published]) -> "Cost":
        return Cost(self.suite, published)

    def recorded(self, runs: Path, leaderboard: Path) -> Sequence[Trial | Cell]:
        return collect_cells(self.suite, runs, leaderboard).cells

    def statuses(self, runs: Path, leaderboard: Path) -> tuple[list[JobStatus], Sequence[Problem]]:
        return cell_statuses(self.suite, runs, leaderboard)

    def counts_on(self, device: torch.device | None, record: Journal) -> bool:
        return device is not None and was_timed_as_on(device, record)

    def preflight(self, data_root: Path, fetch: bool) -> Preflight:
        return preflight_cells(self.suite, data_root, fetch)

    def outlook(self, runs: Path, data_root: Path, executor: Executor, fresh: bool) -> Outlook:
        return outlook_of_cells(self.suite)

    def run(self, runs: Path, data_root: Path, observer: Observer, executor: Executor) -> dict[Status, int]:
        assert isinstance(executor, Inline)
        return run_cells(self.suite, runs, data_root, executor.device, observer, self.published)

    def all_well(self, statuses: dict[Status, int]) -> bool:
        return set(statuses) <= {Status.DONE, *OVER_A_LIMIT, Status.NOT_TRIED}

    def write_page(self, runs: Path, leaderboard: Path) -> Page:
        results = collect_cells(self.suite, runs, leaderboard)
        return Page(write_cost_pages(results, leaderboard), cost_tables(results), results.problems)

    def table(self, runs: Path, leaderboard: Path) -> tuple[pd.DataFrame, Sequence[Problem]]:
        results = collect_cells(self.suite, runs, leaderboard)
        return samples_table(results), results.problems


def of_request(request: SuiteRequest) -> Kind:
    """Return the requested suite.

    Raises:
        SuiteError: if the file cannot be used, or `--trials` is given for a cost suite.
    """
    path = find_suite(request.path)
    if suite_kind(path, request.settings) == "cost":
        if request.trials is not None:
            raise SuiteError(f"--trials {request.trials}: {path} is a cost suite; each of its cells is measured once")
        return Cost(load_cost_suite(path, request.settings, request.only))
    return Trials(load_suite(path, request.settings, request.only, request.trials))
