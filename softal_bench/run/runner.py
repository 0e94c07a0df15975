"""Takes jobs up, one after another or several at a time, and keeps their journals. What a job does is its `Work`."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic

from softal_bench.errors import JournalError
from softal_bench.journal import file as journal
from softal_bench.run.attempts import run_job
from softal_bench.run.jobs import C, Job, Line, Observer, Work
from softal_bench.run.stale import STALE, WHY_STALE
from softal_bench.run.workers import in_slots

_POLL_SECONDS = 0.5  # how often a job that another runner has is asked for


class Runner(Generic[C]):
    """Runs jobs. This process alone writes their journals and holds their locks, wherever they are computed.

    Args:
        suite_name: for headers.
        jobs: what to run, begun in this order.
        work: what the jobs do.
        observer: is told how it goes on.
        slots: how many jobs are run at a time.
    """

    def __init__(
        self, suite_name: str, jobs: Sequence[Job[C]], work: Work[C], observer: Observer, slots: int = 1
    ) -> None:
        self._suite_name = suite_name
        self._jobs = jobs
        self._work = work
        self._observer = _OneAtATime(observer)
        self._slots = slots
        self._stopped = threading.Event()

    def run(self) -> dict[str, int]:
        """Run what is not finished. Jobs that another runner has are waited for at the end.

        Returns:
            How many jobs there are of each status.

        Raises:
            KeyboardInterrupt: passed on after the journals say so.
            StorageError: if a journal cannot be written.
        """
        statuses: dict[str, str | None] = {}
        self._each(self._jobs, lambda job: statuses.update({job.key: self._take_up(job)}))
        taken = [job for job in self._jobs if statuses[job.key] is None]
        self._each(taken, lambda job: statuses.update({job.key: self._wait_for(job)}))
        counts: dict[str, int] = {}
        for job in self._jobs:
            status = str(statuses[job.key])
            counts[status] = counts.get(status, 0) + 1
        return counts

    def _each(self, jobs: Sequence[Job[C]], serve: Callable[[Job[C]], None]) -> None:
        in_slots(min(self._slots, max(1, len(jobs))), jobs, serve, self._stop)

    def _stop(self) -> None:
        self._stopped.set()
        self._work.stop()

    def _wait_for(self, job: Job[C]) -> str:
        """Run a job that another runner has, once it lets go."""
        self._observer.waiting(job)
        status = None
        while status is None:
            if self._stopped.is_set():
                raise KeyboardInterrupt
            status = self._take_up(job, _POLL_SECONDS)
        return status

    def _take_up(self, job: Job[C], timeout: float = 0) -> str | None:
        """Run a job to its end and return its status; None if another runner has it."""
        status = self._ended_before(job) if job.published or job.path.exists() else self._skipped(job)
        if status is None:
            with journal.locked(job.path, timeout) as mine:
                if not mine:
                    return None
                status = self._ended_before(job) or run_job(self._suite_name, job, self._work, self._observer)
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
        if job.published is not None:
            self._observer.trial_ended(job, job.published.status, job.published.error, ran=False)
            return job.published.status
        try:
            record = journal.read_started(job.path)
            if record is not None and record.header["key"] != job.key:
                suite, key = record.header["suite"], record.header["key"]
                raise JournalError(f"{job.path}: the journal of another trial, {key} of suite {suite!r}; move it away")
        except JournalError as error:
            self._observer.trial_ended(job, "unreadable", str(error), ran=False)
            return "unreadable"
        if record is None or record.end is None:
            return None
        status, why = (STALE, WHY_STALE) if record.stale else (record.status, record.end.get("error"))
        self._observer.trial_ended(job, status, why, ran=False)
        return status


class _OneAtATime:
    """An observer that several threads tell, one at a time."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lock = threading.RLock()

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        with self._lock:
            self._observer.trial_started(job, rounds_done)

    def round_done(self, job: Job[Any], line: Line) -> None:
        with self._lock:
            self._observer.round_done(job, line)

    def trial_died(self, job: Job[Any], how: str) -> None:
        with self._lock:
            self._observer.trial_died(job, how)

    def trial_ended(self, job: Job[Any], status: str, error: str | None, ran: bool) -> None:
        with self._lock:
            self._observer.trial_ended(job, status, error, ran)

    def waiting(self, job: Job[Any]) -> None:
        with self._lock:
            self._observer.waiting(job)
