"""Jobs and how a run computes them. A job is a trial of a suite or a cell of a cost suite."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import torch

from softal_bench.errors import DeviceError
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import Measurement, Status
from softal_bench.journal.origin import Origin, environment, origin
from softal_bench.machine.device import computing, context_is_lost, release_cached_memory
from softal_bench.suite import AnyCondition

C = TypeVar("C", bound=AnyCondition)


@dataclass(frozen=True)
class Published:
    """The finished record of a job on the leaderboard, which a run counts instead of computing the job.

    Attributes:
        status: how it ended, or stale.
        error: why it ended so; None if it is done.
        record: the journal.
    """

    status: Status
    error: str | None
    record: Journal


NONE_PUBLISHED: Mapping[str, Published] = MappingProxyType({})


@dataclass(frozen=True)
class Preflight:
    """The result of checking a suite before it runs.

    Attributes:
        unchecked: messages about the conditions that could not be checked against their data.
        infeasible: messages about the jobs that will fail; the other jobs can run.
    """

    unchecked: tuple[str, ...] = ()
    infeasible: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job(Generic[C]):
    """A trial of a suite, or a cell of a cost suite.

    Attributes:
        condition: everything that determines its results, except the number of the trial.
        trial: the number of the trial; 0 in a cost suite.
        path: the path of its journal; the name of the file is the key.
        rounds: the number of measurements that it will have.
        name: its name in messages.
        published: its record on the leaderboard, if that counts instead of a journal at `path`.
    """

    condition: C
    trial: int
    path: Path
    rounds: int
    name: str
    published: Published | None = None

    @property
    def key(self) -> str:
        """The hash of its condition, trial and revisions."""
        return self.path.stem


class Computation(Protocol):
    """A job whose data are loaded, ready to be computed."""

    @property
    def start(self) -> list[int]:
        """The indices of the start set, for the header."""

    @property
    def provenance(self) -> dict[str, Any] | None:
        """Where its data come from, for the header; None for a cost cell."""

    def measurements(self) -> Iterator[Measurement]:
        """Compute and yield the measurements that the journal does not have yet.

        Raises:
            Died: if the process that computes them is gone.
        """


class Work(Protocol[C]):
    """How the jobs of a kind of suite are computed, in this process or in others."""

    def skips(self, job: Job[C]) -> str | None:
        """Return why a job should be skipped, or None."""

    def computing(self, job: Job[C]) -> AbstractContextManager[None]:
        """Set up this process for an attempt, until the context ends."""

    def take_up(self, job: Job[C], done: Sequence[Measurement]) -> Computation:
        """Prepare a job to continue after the measurements in its journal: load its data, draw its start set.

        Raises:
            JournalError: if the job cannot have produced these measurements.
            Died: if the process that computes it is gone.
        """

    def origin(self, job: Job[C]) -> Origin:
        """Return the plugins, versions and environment of a job that was prepared, for the journal."""

    def ended(self, job: Job[C], status: Status) -> None:
        """Record that a job ended, now or in an earlier run."""

    def stop(self) -> None:
        """Make attempts in other threads raise KeyboardInterrupt soon, because the run is interrupted."""


class LocalWork:
    """Jobs computed in this process.

    Args:
        device: where to compute.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def skips(self, job: Job[Any]) -> str | None:
        return None

    def ended(self, job: Job[Any], status: Status) -> None:
        return

    def stop(self) -> None:
        return  # all jobs run in the main thread, which has been interrupted already

    def origin(self, job: Job[Any]) -> Origin:
        return origin(job.condition, environment(self._device, job.condition.threads))

    @contextmanager
    def computing(self, job: Job[Any]) -> Iterator[None]:
        if context_is_lost():
            raise DeviceError(
                f"an error in an earlier trial has made {self._device} unusable for this process; to continue, run the "
                "same command again, or add --executor processes, which then replaces the process"
            )
        with computing(job.condition.threads):
            yield
        release_cached_memory(self._device)


class Observer(Protocol):
    """Receives the events of a run, from one thread at a time."""

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        """Report that a job starts; its journal already has this many measurements."""

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        """Report that a measurement was written to the journal."""

    def trial_died(self, job: Job[Any], how: str) -> None:
        """Report that the process that computed a job is gone; the job is tried again, or has failed."""

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        """Report that a job ended, in this run if `ran`, otherwise in an earlier one."""

    def waiting(self, job: Job[Any], why: str) -> None:
        """Report that the job waits for another runner, or for a measurement on this machine."""
