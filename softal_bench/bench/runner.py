"""Takes jobs up, one after another, and keeps their journals. What a job does is its `Work`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch

from softal_bench.bench import journal
from softal_bench.bench.device import computing
from softal_bench.bench.environment import environment, versions
from softal_bench.bench.failures import Ended, details_of, is_out_of_memory
from softal_bench.errors import JournalError, shown
from softal_bench.suite import AnyCondition

C = TypeVar("C", bound=AnyCondition)
Line = journal.Line


@dataclass(frozen=True)
class Job(Generic[C]):
    """A trial of a suite, or a cell of a cost suite.

    Attributes:
        condition: what decides its numbers.
        trial: its number; 0 in a cost suite.
        path: where its journal is; the file's name is the key.
        rounds: how many lines of measurements it will have.
        name: for people.
    """

    condition: C
    trial: int
    path: Path
    rounds: int
    name: str

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
        """Yield the lines of measurements that are to come."""


class Work(Protocol[C]):
    """What the jobs of a kind of suite do."""

    def skips(self, job: Job[C]) -> str | None:
        """Why a job is not worth taking up, or None."""

    def take_up(self, job: Job[C], done: Sequence[Line]) -> Attempt:
        """Prepare a job to go on after the lines that its journal has: load its data, make its start set.

        Raises:
            JournalError: if the job cannot have written these lines.
        """

    def ended(self, job: Job[C], status: str) -> None:
        """A job ended, now or in an earlier run."""


class Observer(Protocol):
    """Is told how a run goes on."""

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        """A job is taken up, with so many rounds in its journal already."""

    def round_done(self, job: Job[Any], line: Line) -> None:
        """A line of measurements stands in the journal."""

    def trial_ended(self, job: Job[Any], status: str, error: str | None, ran: bool) -> None:
        """A job ended as "done", "failed", ..., "unreadable" or "not_tried"; `ran`: not in an earlier run."""

    def waiting(self, job: Job[Any]) -> None:
        """Another runner has the job; this one waits until it lets go."""


class Runner(Generic[C]):
    """Runs jobs in this process.

    Args:
        suite_name: for headers.
        jobs: what to run, in this order.
        work: what the jobs do.
        device: where to compute.
        observer: is told how it goes on.
    """

    def __init__(
        self, suite_name: str, jobs: Sequence[Job[C]], work: Work[C], device: torch.device, observer: Observer
    ) -> None:
        self._suite_name = suite_name
        self._jobs = jobs
        self._work = work
        self._device = device
        self._observer = observer

    def run(self) -> dict[str, int]:
        """Run what is not finished. Jobs that another runner has are waited for at the end.

        Returns:
            How many jobs there are of each status.

        Raises:
            KeyboardInterrupt: passed on after the journal says so.
            StorageError: if a journal cannot be written.
        """
        statuses: dict[str, int] = {}
        taken = []
        for job in self._jobs:
            status = self._take_up(job, wait=False)
            if status is None:
                taken.append(job)
            else:
                statuses[status] = statuses.get(status, 0) + 1
        for job in taken:
            self._observer.waiting(job)
            status = self._take_up(job, wait=True)
            assert status is not None
            statuses[status] = statuses.get(status, 0) + 1
        return statuses

    def _take_up(self, job: Job[C], wait: bool) -> str | None:
        """Run a job to its end and return its status; None if another runner has it."""
        status = self._ended_before(job) if job.path.exists() else self._skipped(job)
        if status is None:
            with journal.locked(job.path, timeout=-1 if wait else 0) as mine:
                if not mine:
                    return None
                status = self._ended_before(job) or self._run(job)
        self._work.ended(job, status)
        return status

    def _skipped(self, job: Job[C]) -> str | None:
        why = self._work.skips(job)
        if why is None:
            return None
        self._observer.trial_ended(job, "not_tried", why, ran=False)
        return "not_tried"

    def _ended_before(self, job: Job[C]) -> str | None:
        """The status of a job that ended before, or whose journal cannot be used; None if it is to be run."""
        try:
            record = None if journal.is_empty(job.path) else journal.read(job.path)
            if record is not None and record.header["key"] != job.key:
                raise JournalError(f"{job.path}: the journal of another trial, {record.header['key']}; move it away")
        except JournalError as error:
            self._observer.trial_ended(job, "unreadable", str(error), ran=False)
            return "unreadable"
        if record is None or record.end is None:
            return None
        self._observer.trial_ended(job, record.status, record.end.get("error"), ran=False)
        return record.status

    def _run(self, job: Job[C]) -> str:
        record = None if journal.is_empty(job.path) else journal.read(job.path)
        done = record.rounds if record else []
        writer = journal.JournalWriter(job.path)
        try:
            if record is not None and record.died_twice:
                why = f"two attempts in a row died in round {len(done)}; --retry failed goes on with {job.path}"
                return self._end(job, writer, "failed", why)
            self._observer.trial_started(job, len(done))
            with computing(job.condition.threads):
                return self._attempt(job, writer, done, record.header if record and not record.needs_header else None)
        finally:
            writer.close()

    def _attempt(self, job: Job[C], writer: journal.JournalWriter, done: list[Line], header: Line | None) -> str:
        try:
            attempt = self._work.take_up(job, done)
            if header is None:
                header = self._header(job, attempt.start, attempt.provenance)
                writer.write(header)
            _require_same_data(header, attempt)
            writer.write({"kind": "attempt", "time": _now(), **environment(self._device, job.condition.threads)})
            for line in attempt.lines():
                writer.write(line)
                self._observer.round_done(job, line)
        except KeyboardInterrupt:
            if header is not None:  # else nothing has been done yet, and the journal stays empty
                writer.write({"kind": "interrupt", "time": _now()})
            raise
        except JournalError as error:
            why = f"{job.path}: {error}; move it away to run the trial anew"
            self._observer.trial_ended(job, "unreadable", why, ran=False)
            return "unreadable"
        except Exception as error:
            status = error.status if isinstance(error, Ended) else "out_of_memory"
            if not isinstance(error, Ended) and not is_out_of_memory(error):
                raise
            if header is None:
                writer.write(self._header(job, [], None))
            return self._end(job, writer, status, str(error) or type(error).__name__, details_of(error))
        return self._end(job, writer, "done", None)

    def _header(self, job: Job[C], start: list[int], provenance: Line | None) -> Line:
        return {
            "kind": "header",
            "schema": journal.SCHEMA,
            "suite": self._suite_name,
            "key": job.key,
            "condition": job.condition.describe(),
            "trial": job.trial,
            "start": start,
            "provenance": provenance,
            "versions": versions(job.condition),
            "environment": environment(self._device, job.condition.threads),
        }

    def _end(
        self, job: Job[C], writer: journal.JournalWriter, status: str, error: str | None, details: str | None = None
    ) -> str:
        line = {"kind": "end", "status": status, "error": error, "time": _now()}
        writer.write(line if details is None else {**line, "traceback": details})
        self._observer.trial_ended(job, status, error, ran=True)
        return status


def _require_same_data(header: Line, attempt: Attempt) -> None:
    """Raise JournalError if the journal's earlier lines come from other data than these."""
    for name, now in (("start", attempt.start), ("provenance", attempt.provenance)):
        if header.get(name, now) != now:
            raise JournalError(f"its {name} is {shown(header[name])}, these data give {shown(now)}; were they changed?")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
