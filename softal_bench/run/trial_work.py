"""What taking up a trial means, in the process that computes it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from softal_bench.contracts import Splits
from softal_bench.run.jobs import Attempt, Job, Line
from softal_bench.run.local import LocalWork
from softal_bench.suite import Condition, TrialLimits
from softal_bench.trial.data import load_splits
from softal_bench.trial.deadlines import Clock, OnDeadline, ignore_deadline
from softal_bench.trial.trial import Trial, warm_up

TrialJob = Job[Condition]


class TrialWork(LocalWork):
    """Trials with their data, which are kept while trials that share them follow one another.

    Args:
        data_root: the folder of data.
        device: where to compute.
        limits: what a trial may take.
        on_deadline: see `Clock`.

    Attributes:
        data_root: the folder of data.
    """

    def __init__(
        self, data_root: Path, device: torch.device, limits: TrialLimits, on_deadline: OnDeadline = ignore_deadline
    ) -> None:
        super().__init__(device)
        self.data_root = data_root
        self._limits = limits
        self._on_deadline = on_deadline
        self._splits: tuple[str, Splits] | None = None
        self._warm: set[str] = set()

    def take_up(self, job: TrialJob, done: Sequence[Line]) -> Attempt:
        spent = sum(sum(line["seconds"].values()) for line in done)
        clock = Clock(self._limits, spent, self._on_deadline)
        return clock.trial(lambda: self._prepared(job, done, clock))

    def _prepared(self, job: TrialJob, done: Sequence[Line], clock: Clock) -> Attempt:
        splits = self._splits_of(job)
        trial = Trial(job.condition, job.trial, splits, self._device, clock)
        acquired = [line["acquired"] for line in done]
        trial.require_replayable(acquired)
        self._warm_up(job.condition, splits)
        return _TrialAttempt(trial, acquired, asdict(splits.provenance))

    def _warm_up(self, condition: Condition, splits: Splits) -> None:
        """Warm up on this device before the first trial in this process that computes in tensors of these sizes."""
        sizes = f"{condition.posterior_samples} {condition.threads} {condition.training!r}"
        identity = f"{condition.model.label} {identity_of_data(condition)} {sizes}"
        if identity not in self._warm:
            self._warm.add(identity)
            warm_up(condition, splits, self._device)

    def _splits_of(self, job: TrialJob) -> Splits:
        identity = f"{identity_of_data(job.condition)} {job.condition.seed} {job.trial}"
        if self._splits is None or self._splits[0] != identity:
            self._splits = None  # the old data go before the new ones come
            self._splits = (identity, load_splits(job.condition, job.trial, self.data_root))
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


def identity_of_data(condition: Condition) -> str:
    """The same for conditions with the same data set."""
    return f"{condition.dataset.name} {condition.dataset.parameters}"
