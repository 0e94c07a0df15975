"""The trials of a suite: which there are, whether their data suffice, and what taking one up means."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from softal_bench.bench.data import load_if_there, require_taken
from softal_bench.bench.failures import blame
from softal_bench.bench.runner import Attempt, Job, Line, Observer, Runner
from softal_bench.bench.trial import Trial, load_splits, num_rounds, require_feasible
from softal_bench.contracts import Splits
from softal_bench.errors import SoftalError, SuiteError
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition, Suite

TrialJob = Job[Condition]


def trial_jobs(suite: Suite, runs: Path) -> list[TrialJob]:
    """The trials of a suite: trial 0 of every condition first, so that methods can be compared early."""
    return [
        Job(
            condition,
            trial,
            runs / suite.name / f"{key}.jsonl",
            num_rounds(condition),
            f"{condition.acquisition.label}, B={condition.batch_size}, trial {trial}",
        )
        for trial in range(suite.trials)
        for condition in suite.conditions
        if suite.asks_for(key := condition.key(trial))
    ]


def num_trainings(suite: Suite) -> int:
    """How many times a model is trained if nothing is done yet."""
    return suite.trials * sum(num_rounds(condition) for condition in suite.conditions)


def preflight(suite: Suite, data_root: Path, fetch: bool) -> list[str]:
    """Check every condition against its data. Writes nothing but, if `fetch`, data that are missing.

    Returns:
        Without `fetch`: why conditions could not be checked against data that are not there.

    Raises:
        SuiteError: if a condition asks for more than there is.
        DataError: if the data are not what they should be, or, with `fetch`, cannot be had.
    """
    notes: list[str] = []
    for conditions in _by_dataset(suite.conditions):
        generator = Seeds(conditions[0].seed, 0).generator("dataset")
        splits = load_if_there(conditions[0].dataset, data_root, generator, fetch, notes)
        if splits is None:
            continue
        try:
            for condition in conditions:
                require_feasible(condition, splits)
            for condition in {condition.model.label: condition for condition in conditions}.values():
                require_taken(condition.model, splits)
        except SoftalError as error:
            raise SuiteError(f"{suite.path}: {error}") from error
    return notes


def run_trials(suite: Suite, runs: Path, data_root: Path, device: torch.device, observer: Observer) -> dict[str, int]:
    """Run the trials of a suite that are not finished; how many there are of each status. See `Runner.run`."""
    work = TrialWork(data_root, device)
    return Runner(suite.name, trial_jobs(suite, runs), work, device, observer).run()


class TrialWork:
    """Trials with their data, which are kept while trials that share them follow one another."""

    def __init__(self, data_root: Path, device: torch.device) -> None:
        self._data_root = data_root
        self._device = device
        self._splits: tuple[str, Splits] | None = None

    def skips(self, job: TrialJob) -> str | None:
        return None

    def take_up(self, job: TrialJob, done: Sequence[Line]) -> Attempt:
        splits = self._splits_of(job)
        trial = Trial(job.condition, job.trial, splits, self._device)
        acquired = [line["acquired"] for line in done]
        trial.require_replayable(acquired)
        return _TrialAttempt(trial, acquired, asdict(splits.provenance))

    def ended(self, job: TrialJob, status: str) -> None:
        return

    def _splits_of(self, job: TrialJob) -> Splits:
        identity = f"{_identity(job.condition)} {job.condition.seed} {job.trial}"
        if self._splits is None or self._splits[0] != identity:
            self._splits = None  # the old data go before the new ones come
            with blame("data set", job.condition.dataset):
                self._splits = (identity, load_splits(job.condition, job.trial, self._data_root))
        return self._splits[1]


@dataclass(frozen=True)
class _TrialAttempt:
    trial: Trial
    acquired: list[list[int]]
    provenance: Line

    @property
    def start(self) -> list[int]:
        return self.trial.start

    def lines(self) -> Iterator[Line]:
        return self.trial.rounds(self.acquired)


def _by_dataset(conditions: list[Condition]) -> list[list[Condition]]:
    groups: dict[str, list[Condition]] = {}
    for condition in conditions:
        groups.setdefault(_identity(condition), []).append(condition)
    return list(groups.values())


def _identity(condition: Condition) -> str:
    return f"{condition.dataset.name} {condition.dataset.parameters}"
