"""Trying again what ended other than well. A retry goes on after the rounds that stand; see `journal` for its form.

A published record is not changed: a copy of it in the runs folder is.
"""

from collections.abc import Collection, Sequence
from typing import TypeVar

from softal_bench.errors import JournalError
from softal_bench.journal import file as journal
from softal_bench.run import fresh
from softal_bench.run.jobs import Job
from softal_bench.suite import AnyCondition

RETRIED = ("failed", "timeout", "out_of_memory")

C = TypeVar("C", bound=AnyCondition)


def ended_as(jobs: Sequence[Job[C]], statuses: Collection[str]) -> list[Job[C]]:
    """The jobs whose journals end with one of these statuses; journals that cannot be read are left out."""
    return [job for job in jobs if _status(job) in statuses]


def reopen(jobs: Sequence[Job[C]], statuses: Collection[str]) -> list[Job[C]]:
    """Reopen these jobs' journals; those that another runner has, or has reopened meanwhile, are left to it.

    Returns:
        The jobs reopened. Until a runner takes them up they are unfinished, so that nothing is lost if none does.

    Raises:
        StorageError: if a journal cannot be written.
    """
    return [job for job in jobs if _reopened(job, statuses)]


def _reopened(job: Job[C], statuses: Collection[str]) -> bool:
    with journal.locked(job.path) as mine:
        if not mine or _status(job) not in statuses:
            return False
        if job.published is not None:
            fresh.set_aside(job.path)
            job.path.write_bytes(journal.complete_lines(job.published.record.path))
        writer = journal.JournalWriter(job.path)
        try:
            writer.write({"kind": "retry", "time": journal.now()})
        finally:
            writer.close()
        return True


def _status(job: Job[C]) -> str | None:
    if job.published is not None:
        return job.published.record.status
    try:
        record = journal.read_started(job.path)
    except JournalError:
        return None
    return record.status if record is not None and record.header["key"] == job.key else None
