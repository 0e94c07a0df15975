"""The runner runs jobs, one after another or several at a time, and writes their journals.

The `Work` of a runner defines how its jobs are computed. Wherever they are computed, only the runner's process writes
journals and holds their locks.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Generic, TypeVar

from softal_bench.errors import JournalError, shown
from softal_bench.journal import file as journal
from softal_bench.journal.file import Journal, JournalWriter
from softal_bench.journal.lines import SCHEMA, Attempt, End, Ending, Header, Interrupt, Measurement, Status, now
from softal_bench.journal.origin import Origin
from softal_bench.run import recompute
from softal_bench.run.jobs import C, Computation, Job, Observer, Work
from softal_bench.trial.attribution import Died, ending_of

_POLL_SECONDS = 0.5  # how long the runner waits for the lock of a job before it checks whether it was stopped
_MOST_LOST = 5  # number of attempts at a round that may be lost with their machine before the job counts as failed
J = TypeVar("J")


class Runner(Generic[C]):
    """Runs jobs.

    Args:
        suite_name: the name of the suite, for headers.
        jobs: the jobs to run, started in this order.
        work: computes the jobs.
        observer: receives the events of the run.
        workers: the number of jobs that run at a time.
    """

    def __init__(
        self, suite_name: str, jobs: Sequence[Job[C]], work: Work[C], observer: Observer, workers: int = 1
    ) -> None:
        self._suite_name = suite_name
        self._jobs = jobs
        self._work = work
        self._observer = _OneAtATime(observer)
        self._workers = workers
        self._stopped = threading.Event()

    def run(self) -> dict[Status, int]:
        """Run the unfinished jobs. Wait at the end for jobs that another runner has locked.

        Returns:
            The number of jobs with each status.

        Raises:
            KeyboardInterrupt: if the run is interrupted, after the journals record it.
            StorageError: if a journal cannot be written.
        """
        statuses: dict[str, Status | None] = {}
        self._each(self._jobs, lambda job: statuses.update({job.key: self._take_up(job)}))
        taken = [job for job in self._jobs if statuses[job.key] is None]
        self._each(taken, lambda job: statuses.update({job.key: self._wait_for(job)}))
        counts: dict[Status, int] = {}
        for job in self._jobs:
            status = statuses[job.key]
            assert status is not None
            counts[status] = counts.get(status, 0) + 1
        return counts

    def _each(self, jobs: Sequence[Job[C]], serve: Callable[[Job[C]], None]) -> None:
        in_workers(min(self._workers, max(1, len(jobs))), jobs, serve, self._stop)

    def _stop(self) -> None:
        self._stopped.set()
        self._work.stop()

    def _wait_for(self, job: Job[C]) -> Status:
        """Run a job that another runner has locked, once it is released."""
        self._observer.waiting(job, "another runner has locked it")
        status = None
        while status is None:
            if self._stopped.is_set():
                raise KeyboardInterrupt
            status = self._take_up(job, _POLL_SECONDS)
        return status

    def _take_up(self, job: Job[C], timeout: float = 0) -> Status | None:
        """Run a job to its end and return its status. Return None if another runner has locked it."""
        status = self._ended_before(job) if job.published or job.path.exists() else self._skipped(job)
        if status is None:
            with journal.locked(job.path, timeout) as mine:
                if not mine:
                    return None
                status = self._ended_before(job) or run_job(self._suite_name, job, self._work, self._observer)
        self._work.ended(job, status)
        return status

    def _skipped(self, job: Job[C]) -> Status | None:
        why = self._work.skips(job)
        if why is None:
            return None
        self._observer.trial_ended(job, Status.NOT_TRIED, why, ran=False)
        return Status.NOT_TRIED

    def _ended_before(self, job: Job[C]) -> Status | None:
        """Return the status of a job that ended before or whose journal cannot be used; None if it has to run."""
        if job.published is not None:
            self._observer.trial_ended(job, job.published.status, job.published.error, ran=False)
            return job.published.status
        try:
            record = journal.read_started(job.path)
            if record is not None and record.header.key != job.key:
                suite, key = record.header.suite, record.header.key
                raise JournalError(f"{job.path}: the journal of another trial, {key} of suite {suite!r}; move it away")
        except JournalError as error:
            self._observer.trial_ended(job, Status.UNREADABLE, str(error), ran=False)
            return Status.UNREADABLE
        if record is None or record.end is None:
            return None
        status, why = (Status.STALE, recompute.WHY_STALE) if record.stale else (record.status, record.end.error)
        self._observer.trial_ended(job, status, why, ran=False)
        return status


def in_workers(workers: int, jobs: Sequence[J], serve: Callable[[J], None], stop: Callable[[], None]) -> None:
    """Call `serve` for each job, in several threads at a time, or in this thread if there is a single worker.

    Args:
        workers: the number of calls at a time.
        jobs: the jobs, in the order in which they start.
        serve: runs a job to its end.
        stop: makes every running call of `serve` raise soon.

    Raises:
        BaseException: the first error that `serve` raises or that reaches this thread (Ctrl-C), once all calls have
            ended.
    """
    if workers == 1:
        for job in jobs:
            serve(job)
        return
    left = deque(jobs)

    def worker() -> None:
        while True:
            try:
                job = left.popleft()
            except IndexError:
                return
            serve(job)

    with ThreadPoolExecutor(workers, thread_name_prefix="worker") as threads:
        try:
            for ended in as_completed([threads.submit(worker) for _ in range(workers)]):
                ended.result()
        except BaseException:
            left.clear()
            stop()
            raise


def run_job(suite_name: str, job: Job[Any], work: Work[Any], observer: Observer) -> Status:
    """Attempt a job until an attempt ends it, and return its status. The caller holds the job's lock.

    An attempt whose process dies writes no last line. The next attempt continues after the rounds in the journal.
    """
    deaths: list[tuple[int, Died]] = []  # the deaths in this run, each with the number of rounds that were done
    while True:
        record = journal.read_started(job.path)
        attempt = _Attempt(suite_name, job, work, observer, record)
        try:
            why = _why_given_up(record, deaths)
            return attempt.give_up(f"{why}; --retry failed continues with {job.path.name}") if why else attempt.run()
        except Died as death:
            deaths.append((attempt.rounds, death))
            observer.trial_died(job, str(death))
        finally:
            attempt.close()


def _why_given_up(record: Journal | None, deaths: list[tuple[int, Died]]) -> str | None:
    """Return why a job is not attempted again, or None if it is.

    A job is given up if its last two attempts died in the same round, or if more than `_MOST_LOST` attempts at the
    round were lost with their machine.
    """
    rounds = len(record.measurements) if record else 0
    here = [death for at, death in deaths if at == rounds]
    lost = sum(death.lost for death in here)
    if lost > _MOST_LOST:
        return f"{lost} attempts died in round {rounds}: {here[-1]}"
    if len(here) - lost < 2 and not (record and record.died_twice):
        return None
    return f"two attempts in a row died in round {rounds}" + (f": {here[-1]}" if here else "")


class _Attempt:
    """One attempt at a job, with the journal that it writes.

    Attributes:
        rounds: the number of measurements in the journal.
    """

    def __init__(
        self, suite_name: str, job: Job[Any], work: Work[Any], observer: Observer, record: Journal | None
    ) -> None:
        self._suite_name = suite_name
        self._job = job
        self._work = work
        self._observer = observer
        self._done: Sequence[Measurement] = record.measurements if record else []
        self._header = record.header if record and not record.needs_header else None
        self._fresh = recompute.is_marked(job.path) or (record is not None and record.header.fresh)
        self._begun = False  # whether the journal has a line about this attempt
        self._writer = JournalWriter(job.path)
        self.rounds = len(self._done)

    def close(self) -> None:
        self._writer.close()

    def give_up(self, why: str) -> Status:
        """End the job as failed."""
        if self._header is None:
            self._begin([], None)
        return self._end(Status.FAILED, why)

    def run(self) -> Status:
        """Compute the remaining measurements, write them to the journal and return the job's status.

        Raises:
            Died: if the process that computes is gone.
            KeyboardInterrupt: if the run is interrupted, after the journal records it.
        """
        self._observer.trial_started(self._job, self.rounds)
        try:
            with self._work.computing(self._job):
                self._compute()
        except KeyboardInterrupt:
            self._interrupted()
            raise
        except Died as death:
            if death.lost:
                self._interrupted()
            raise
        except JournalError as error:
            why = f"{self._job.path}: {error}; move it away to run the trial again"
            self._observer.trial_ended(self._job, Status.UNREADABLE, why, ran=False)
            return Status.UNREADABLE
        except Exception as error:
            ending = ending_of(error)
            if ending is None:
                raise
            if self._header is None:
                self._begin([], None)
            return self._end(*ending)
        return self._end(Status.DONE, None)

    def _compute(self) -> None:
        computation = self._work.take_up(self._job, self._done)
        origin = self._work.origin(self._job)
        if self._header is None:
            self._begin(computation.start, computation.provenance)
        else:
            _require_same_data(self._header, computation)
            _require_same_source(self._header, origin)
        self._begun = True
        self._writer.write(Attempt.begun(origin.environment))
        for line in computation.measurements():
            self._writer.write(line)
            self.rounds += 1
            self._observer.round_done(self._job, line)

    def _begin(self, start: list[int], provenance: dict[str, Any] | None) -> None:
        origin = self._work.origin(self._job)
        self._header = Header(
            schema=SCHEMA,
            suite=self._suite_name,
            key=self._job.key,
            condition=self._job.condition.describe(),
            trial=self._job.trial,
            start=start,
            provenance=provenance,
            fresh=self._fresh,
            plugins=origin.plugins,
            versions=origin.versions,
            environment=origin.environment,
        )
        self._writer.write(self._header)
        recompute.unmark(self._job.path)

    def _interrupted(self) -> None:
        if self._begun:  # otherwise the journal has no attempt that could be interrupted
            self._writer.write(Interrupt(time=now()))

    def _end(self, status: Ending, error: str | None, details: str | None = None) -> Status:
        self._writer.write(End(status=status, error=error, time=now(), traceback=details))
        self._observer.trial_ended(self._job, status, error, ran=True)
        return status


def _require_same_data(header: Header, computation: Computation) -> None:
    """Raise JournalError if the earlier lines of the journal were computed from other data."""
    for name in ("start", "provenance"):
        before, here = getattr(header, name), getattr(computation, name)
        if before != here and not (name == "provenance" and before is None):
            raise JournalError(f"its {name} is {shown(before)}, these data give {shown(here)}; were they changed?")


def _require_same_source(header: Header, origin: Origin) -> None:
    """Raise JournalError if the source of a plugin has changed since the header was written, even during this run."""
    changes = recompute.changed(header.plugins or [], origin.plugins)
    if changes:
        names = ", ".join(change.name for change in changes)
        raise JournalError(f"the source of {names} has changed since it was begun; run again to restart it")


class _OneAtATime:
    """An observer that several threads may call. It passes on one call at a time."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lock = threading.RLock()

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        with self._lock:
            self._observer.trial_started(job, rounds_done)

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        with self._lock:
            self._observer.round_done(job, line)

    def trial_died(self, job: Job[Any], how: str) -> None:
        with self._lock:
            self._observer.trial_died(job, how)

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        with self._lock:
            self._observer.trial_ended(job, status, error, ran)

    def waiting(self, job: Job[Any], why: str) -> None:
        with self._lock:
            self._observer.waiting(job, why)
