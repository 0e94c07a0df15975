"""`softal-bench run --retry`: which trials are tried again."""

from collections.abc import Sequence
from typing import Any

import click

from softal_bench.errors import SuiteError
from softal_bench.journal.lines import Status
from softal_bench.run.jobs import Job
from softal_bench.run.recompute import ended_as, reopen


def chosen_again(jobs: Sequence[Job[Any]], statuses: Sequence[Status]) -> list[Job[Any]]:
    """The jobs that ended with one of these statuses.

    Raises:
        SuiteError: if there are none.
    """
    found = ended_as(jobs, statuses)
    if not found:
        words = " or ".join(dict.fromkeys(statuses))
        raise SuiteError(
            f"--retry {' --retry '.join(statuses)}: of {len(jobs)} journals none ends as {words}; "
            "`softal-bench status` shows each status, and a run without --retry goes on with what is not finished"
        )
    return found


def reopened(jobs: Sequence[Job[Any]], statuses: Sequence[Status]) -> frozenset[str]:
    """Reopen what `chosen_again` chose; the keys of those that are this runner's to run."""
    mine = frozenset(job.key for job in reopen(jobs, statuses))
    for job in jobs:
        if job.key not in mine:
            click.echo(f"  {job.name}: another runner has it; left to that", err=True)
    return mine
