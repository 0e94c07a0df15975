"""One job with its journal: attempts at it, until one ends it."""

from typing import Any

from softal_bench.errors import JournalError, shown
from softal_bench.journal import file as journal
from softal_bench.run import fresh
from softal_bench.run.jobs import Attempt, Job, Line, Observer, Work
from softal_bench.run.stale import changed
from softal_bench.trial.attribution import Died, ending_of

_MOST_LOST = 5  # attempts in one round that lose their machine before the job is blamed after all


def run_job(suite_name: str, job: Job[Any], work: Work[Any], observer: Observer) -> str:
    """Attempt a job, whose lock is held, until an attempt ends it; its status.

    An attempt whose process dies leaves no last line, and the next one goes on after the rounds that it has journalled.
    """
    deaths: list[tuple[int, Died]] = []  # in this run, each with the number of rounds that were done
    while True:
        record = journal.read_started(job.path)
        attempt = _Attempt(suite_name, job, work, observer, record)
        try:
            why = _blamed(record, deaths)
            return attempt.give_up(f"{why}; --retry failed goes on with {job.path.name}") if why else attempt.run()
        except Died as death:
            deaths.append((attempt.rounds, death))
            observer.trial_died(job, str(death))
        finally:
            attempt.close()


def _blamed(record: journal.TrialRecord | None, deaths: list[tuple[int, Died]]) -> str | None:
    """Why a job is not attempted again, if it is not: its last two attempts died in the same round."""
    rounds = len(record.rounds) if record else 0
    here = [death for at, death in deaths if at == rounds]
    lost = sum(death.lost for death in here)
    if lost > _MOST_LOST:
        return f"{lost} attempts died in round {rounds}: {here[-1]}"
    if len(here) - lost < 2 and not (record and record.died_twice):
        return None
    return f"two attempts in a row died in round {rounds}" + (f": {here[-1]}" if here else "")


class _Attempt:
    """One attempt, with the journal that it writes.

    Attributes:
        rounds: how many rounds the journal has.
    """

    def __init__(
        self, suite_name: str, job: Job[Any], work: Work[Any], observer: Observer, record: journal.TrialRecord | None
    ) -> None:
        self._suite_name = suite_name
        self._job = job
        self._work = work
        self._observer = observer
        self._done = record.rounds if record else []
        self._header = record.header if record and not record.needs_header else None
        self._fresh = fresh.is_marked(job.path) or (record is not None and record.is_fresh)
        self._begun = False  # whether the journal says so
        self._writer = journal.JournalWriter(job.path)
        self.rounds = len(self._done)

    def close(self) -> None:
        self._writer.close()

    def give_up(self, why: str) -> str:
        """End the job as failed."""
        if self._header is None:
            self._begin([], None)
        return self._end("failed", why)

    def run(self) -> str:
        """Compute and journal what is left; the job's status.

        Raises:
            Died: if the process that computes is gone.
            KeyboardInterrupt: passed on after the journal says so.
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
            why = f"{self._job.path}: {error}; move it away to run the trial anew"
            self._observer.trial_ended(self._job, "unreadable", why, ran=False)
            return "unreadable"
        except Exception as error:
            ending = ending_of(error)
            if ending is None:
                raise
            if self._header is None:
                self._begin([], None)
            return self._end(*ending)
        return self._end("done", None)

    def _compute(self) -> None:
        attempt = self._work.take_up(self._job, self._done)
        if self._header is None:
            self._begin(attempt.start, attempt.provenance)
        else:
            _require_same_data(self._header, attempt)
            _require_same_source(self._header, self._work.origin(self._job))
        environment = self._work.origin(self._job)["environment"]
        self._begun = True
        self._writer.write({"kind": "attempt", "time": journal.now(), **environment})
        for line in attempt.lines():
            self._writer.write(line)
            self.rounds += 1
            self._observer.round_done(self._job, line)

    def _begin(self, start: list[int], provenance: Line | None) -> None:
        self._header = {
            "kind": "header",
            "schema": journal.SCHEMA,
            "suite": self._suite_name,
            "key": self._job.key,
            "condition": self._job.condition.describe(),
            "trial": self._job.trial,
            "start": start,
            "provenance": provenance,
            **({"fresh": True} if self._fresh else {}),
            **self._work.origin(self._job),
        }
        self._writer.write(self._header)
        fresh.unmark(self._job.path)

    def _interrupted(self) -> None:
        if self._begun:  # else the journal has no attempt that could be interrupted
            self._writer.write({"kind": "interrupt", "time": journal.now()})

    def _end(self, status: str, error: str | None, details: str | None = None) -> str:
        line = {"kind": "end", "status": status, "error": error, "time": journal.now()}
        self._writer.write(line if details is None else {**line, "traceback": details})
        self._observer.trial_ended(self._job, status, error, ran=True)
        return status


def _require_same_data(header: Line, attempt: Attempt) -> None:
    """Raise JournalError if the journal's earlier lines come from other data than these."""
    for name, now in (("start", attempt.start), ("provenance", attempt.provenance)):
        if header.get(name, now) != now:
            raise JournalError(f"its {name} is {shown(header[name])}, these data give {shown(now)}; were they changed?")


def _require_same_source(header: Line, origin: Line) -> None:
    """Raise JournalError if a plugin was changed since the journal's earlier lines, even while the run goes on."""
    changes = changed(header.get("plugins", []), origin["plugins"])
    if changes:
        names = ", ".join(change.name for change in changes)
        raise JournalError(f"the source of {names} has changed since it was begun; run again to begin it afresh")
