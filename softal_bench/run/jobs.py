"""Jobs, what they do, and who is told of it: a trial of a suite, or a cell of a cost suite."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from softal_bench.journal import file as journal
from softal_bench.suite import AnyCondition

C = TypeVar("C", bound=AnyCondition)
Line = journal.Line


@dataclass(frozen=True)
class Published:
    """A finished record of a job among those of the leaderboard, which a run counts and does not compute again.

    Attributes:
        status: how it ended, or "stale".
        error: why it ended so, if not well.
        record: as read.
    """

    status: str
    error: str | None
    record: journal.TrialRecord


NONE_PUBLISHED: Mapping[str, Published] = MappingProxyType({})


@dataclass(frozen=True)
class Job(Generic[C]):
    """A trial of a suite, or a cell of a cost suite.

    Attributes:
        condition: what decides its numbers.
        trial: its number; 0 in a cost suite.
        path: where its journal is; the file's name is the key.
        rounds: how many lines of measurements it will have.
        name: for people.
        published: its record on the leaderboard, if that counts in place of a journal in `path`.
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


class Attempt(Protocol):
    """A job that has been taken up."""

    @property
    def start(self) -> list[int]:
        """The indices of the start set, for the header."""

    @property
    def provenance(self) -> Line | None:
        """Where its data come from, for the header; None where it has none."""

    def lines(self) -> Iterator[Line]:
        """Yield the lines of measurements that are to come.

        Raises:
            Died: if the process that computes them is gone.
        """


class Work(Protocol[C]):
    """What the jobs of a kind of suite do, in this process or in others."""

    def skips(self, job: Job[C]) -> str | None:
        """Why a job is not worth taking up, or None."""

    def computing(self, job: Job[C]) -> AbstractContextManager[None]:
        """What an attempt needs of this process while it goes on."""

    def take_up(self, job: Job[C], done: Sequence[Line]) -> Attempt:
        """Prepare a job to go on after the lines that its journal has: load its data, make its start set.

        Raises:
            JournalError: if the job cannot have written these lines.
            Died: if the process that was to compute it is gone.
        """

    def origin(self, job: Job[C]) -> Line:
        """`plugins`, `versions` and `environment` of where a job that was taken up is computed, for the journal."""

    def ended(self, job: Job[C], status: str) -> None:
        """A job ended, now or in an earlier run."""

    def stop(self) -> None:
        """The run is interrupted: attempts that go on in other threads raise KeyboardInterrupt soon."""


class Observer(Protocol):
    """Is told how a run goes on, one thing at a time."""

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        """A job is taken up, with so many rounds in its journal already."""

    def round_done(self, job: Job[Any], line: Line) -> None:
        """A line of measurements stands in the journal."""

    def trial_died(self, job: Job[Any], how: str) -> None:
        """The process that computed a job is gone; the job is taken up again, or has failed."""

    def trial_ended(self, job: Job[Any], status: str, error: str | None, ran: bool) -> None:
        """A job ended as "done", "failed", ..., "unreadable" or "not_tried"; `ran`: not in an earlier run."""

    def waiting(self, job: Job[Any]) -> None:
        """Another runner has the job; this one waits until it lets go."""
