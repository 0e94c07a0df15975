"""The two kinds of suites, as the commands see them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from softal_bench.cli.options import SuiteRequest
from softal_bench.cli.outlook import Outlook, of_cells, of_trials
from softal_bench.errors import SuiteError
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import Status
from softal_bench.journal.origin import was_timed_as_on
from softal_bench.records.cells import Cell, collect_cells
from softal_bench.records.trials import Trial, collect
from softal_bench.run.cells import cell_jobs, preflight_cells, run_cells
from softal_bench.run.executors.contract import Executor
from softal_bench.run.executors.local import Inline
from softal_bench.run.jobs import NONE_PUBLISHED, Job, Observer, Published
from softal_bench.run.trials import num_trainings, preflight, run_trials, trial_jobs
from softal_bench.suite import CostSuite, Suite, find_suite, load_cost_suite, load_suite, suite_kind
from softal_bench.trial.partition import num_rounds


class Kind(ABC):
    """A suite and what can be done with it.

    Attributes:
        noun: what a suite of this kind is of.
        plural: what its jobs are called.
        columns: of the table of its conditions.
        suite: the suite as asked for.
        published: by key, the records that count in place of a journal in the runs folder.
    """

    noun: str
    plural: str
    columns: Sequence[str]
    suite: Suite | CostSuite
    published: Mapping[str, Published]

    @abstractmethod
    def rows(self) -> list[list[str]]:
        """The conditions, as `columns` say."""

    @abstractmethod
    def plan(self) -> str:
        """How much there is to do, in words."""

    @abstractmethod
    def jobs(self, runs: Path) -> Sequence[Job[Any]]:
        """What would be run."""

    @abstractmethod
    def only(self, keys: frozenset[str]) -> "Kind":
        """The same, of which the jobs with these keys are run."""

    @abstractmethod
    def counting(self, published: Mapping[str, Published]) -> "Kind":
        """The same, with these records counted."""

    @abstractmethod
    def recorded(self, runs: Path, leaderboard: Path) -> Sequence[Trial | Cell]:
        """What the journals of the suite say, of each job the one that counts."""

    @abstractmethod
    def counts_on(self, device: torch.device, record: Journal) -> bool:
        """Whether a published record spares a run on this device the job."""

    @abstractmethod
    def preflight(self, data_root: Path, fetch: bool) -> list[str]:
        """Check the conditions against their data; what could not be checked."""

    @abstractmethod
    def outlook(self, runs: Path, data_root: Path, executor: Executor, fresh: bool) -> Outlook:
        """What time and memory will be needed; with `fresh` if nothing counts as done."""

    @abstractmethod
    def run(self, runs: Path, data_root: Path, observer: Observer, executor: Executor) -> dict[Status, int]:
        """Run what is not finished; how many there are of each status."""

    @abstractmethod
    def all_well(self, statuses: dict[Status, int]) -> bool:
        """Whether nothing went wrong."""


class Trials(Kind):
    """A suite of trials."""

    noun = plural = "trials"

    def __init__(self, suite: Suite, published: Mapping[str, Published] = NONE_PUBLISHED) -> None:
        self.suite: Suite = suite
        self.published = published
        self._others = [key for key in suite.varied if key not in ("acquisition", "batch_size")]
        self.columns = ["acquisition function", "B", "K", *self._others, "rounds a trial", "trials"]

    def rows(self) -> list[list[str]]:
        return [
            [
                condition.acquisition.label,
                str(condition.batch_size),
                str(condition.posterior_samples),
                *[str(condition.value(key)) for key in self._others],
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

    def counts_on(self, device: torch.device, record: Journal) -> bool:
        return True

    def preflight(self, data_root: Path, fetch: bool) -> list[str]:
        return preflight(self.suite, data_root, fetch)

    def outlook(self, runs: Path, data_root: Path, executor: Executor, fresh: bool) -> Outlook:
        return of_trials(self.suite, trial_jobs(self.suite, runs, self.published), data_root, executor, fresh)

    def run(self, runs: Path, data_root: Path, observer: Observer, executor: Executor) -> dict[Status, int]:
        return run_trials(self.suite, runs, data_root, observer, executor, self.published)

    def all_well(self, statuses: dict[Status, int]) -> bool:
        return set(statuses) <= {Status.DONE}


class Cost(Kind):
    """A cost suite. That a cell is over its limit is a result, not a failure."""

    noun = "cost"
    plural = "cells"
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

    def counts_on(self, device: torch.device, record: Journal) -> bool:
        return was_timed_as_on(device, record)

    def preflight(self, data_root: Path, fetch: bool) -> list[str]:
        return preflight_cells(self.suite, data_root, fetch)

    def outlook(self, runs: Path, data_root: Path, executor: Executor, fresh: bool) -> Outlook:
        return of_cells(self.suite)

    def run(self, runs: Path, data_root: Path, observer: Observer, executor: Executor) -> dict[Status, int]:
        assert isinstance(executor, Inline)
        return run_cells(self.suite, runs, data_root, executor.device, observer, self.published)

    def all_well(self, statuses: dict[Status, int]) -> bool:
        return set(statuses) <= {Status.DONE, Status.TIMEOUT, Status.OUT_OF_MEMORY, Status.NOT_TRIED}


def of_request(request: SuiteRequest) -> Trials | Cost:
    """The suite that is asked for.

    Raises:
        SuiteError: if the file cannot be used, or `--trials` is given for a cost suite.
    """
    path = find_suite(request.path)
    if suite_kind(path, request.settings) == "cost":
        if request.trials is not None:
            raise SuiteError(f"--trials {request.trials}: {path} is a cost suite, whose cells are measured once")
        return Cost(load_cost_suite(path, request.settings, request.only))
    return Trials(load_suite(path, request.settings, request.only, request.trials))
