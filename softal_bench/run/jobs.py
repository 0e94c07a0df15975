"""Jobs and what a run does with them: a job is a trial of a suite, or a cell of a cost suite."""

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
        error: why, unless it is done.
        record: the journal.
    """

    status: Status
    error: str | None
    record: Journal


NONE_PUBLISHED: Mapping[str, Published] = MappingProxyType({})


@dataclass(frozen=True)
class Preflight:
    """What is known about a suite before it runs.

    Attributes:
        unchecked: why conditions could not be checked against their data.
        infeasible: which jobs will fail, and why; the other jobs can run.
    """

    unchecked: tuple[str, ...] = ()
    infeasible: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job(Generic[C]):
    """A trial of a suite, or a cell of a cost suite.

    Attributes:
        condition: what decides its numbers.
        trial: its number; 0 in a cost suite.
        path: where its journal is; the file's name is the key.
        rounds: how many measurements it will have.
        name: for people.
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
    """What the jobs of a kind of suite do, in this process or in others."""

    def skips(self, job: Job[C]) -> str | None:
        """Return why a job should be skipped, or None."""

    def computing(self, job: Job[C]) -> AbstractContextManager[None]:
        """Set up what an attempt needs of this process while it runs."""

    def take_up(self, job: Job[C], done: Sequence[Measurement]) -> Computation:
        """Prepare a job to continue after the measurements in its journal: load its data, make its start set.

        Raises:
            JournalError: if the job cannot have produced these measurements.
            Died: if the process that was to compute it is gone.
        """

    def origin(self, job: Job[C]) -> Origin:
        """Return where a job that was taken up is computed, for the journal."""

    def ended(self, job: Job[C], status: Status) -> None:
        """Note that a job ended, now or in an earlier run."""

    def stop(self) -> None:
        """Have attempts in other threads raise KeyboardInterrupt soon, because the run is interrupted."""


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
        return  # the main thread, which computes, has been interrupted already

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
    """Follows a run; called from one thread at a time."""

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        """A job is taken up; its journal has this many measurements already."""

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        """A measurement is in the journal."""

    def trial_died(self, job: Job[Any], how: str) -> None:
        """The process that computed a job is gone; the job is tried again, or has failed."""

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        """A job ended; `ran`: in this run, not in an earlier one."""

    def waiting(self, job: Job[Any], why: str) -> None:
        """The job waits for another runner, or for a measurement on this machine."""
