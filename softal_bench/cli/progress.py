"""Progress of a run: bars in a terminal, plain lines elsewhere."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from softal_bench.cli.options import with_short_paths
from softal_bench.cli.tally import Tally
from softal_bench.journal.lines import Measurement, Round, Status
from softal_bench.run.jobs import Job


class Lines:
    """Plain lines: one for each trial that starts and ends, and one every few seconds between."""

    def __init__(self, tally: Tally, seconds_between: float = 10) -> None:
        self._tally = tally
        self._seconds_between = seconds_between
        self._told = time.monotonic()

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        self._tally.started(job, rounds_done)
        if rounds_done:
            click.echo(f"  {job.name}: goes on after {rounds_done} rounds")

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        self._tally.advance(job)
        if time.monotonic() - self._told >= self._seconds_between:
            self._told = time.monotonic()
            click.echo(f"  {job.name}: {_told(line)}; {self._tally}")

    def trial_died(self, job: Job[Any], how: str) -> None:
        click.echo(f"  {job.name}: {how}")

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        self._tally.end(job, status)
        if ran or status != Status.DONE:
            done = f"[{self._tally.ended}/{self._tally.trials}]"
            click.echo(f"{done} {job.name}: {status}{_reason(error)}; {self._tally}")

    def waiting(self, job: Job[Any]) -> None:
        click.echo(f"  {job.name}: another runner has it; waiting")


class Bars:
    """A bar for the suite and one for each trial that runs."""

    def __init__(self, tally: Tally, jobs: Sequence[Job[Any]], progress: Progress) -> None:
        self._tally = tally
        self._progress = progress
        self._all = progress.add_task("all", total=sum(job.rounds for job in jobs))
        self._trials: dict[str, TaskID] = {}

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        self._tally.started(job, rounds_done)
        if job.key in self._trials:  # it died, and is taken up again
            self._progress.update(self._trials[job.key], completed=rounds_done)
        else:
            self._trials[job.key] = self._progress.add_task(escape(job.name), total=job.rounds, completed=rounds_done)
        self._show()

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        self._tally.advance(job)
        task = self._trials[job.key]
        self._progress.update(task, advance=1, description=escape(f"{job.name}: {_told(line)}"))
        self._show()

    def trial_died(self, job: Job[Any], how: str) -> None:
        self._progress.console.print(escape(f"{job.name}: {how}"), style="red")

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        self._tally.end(job, status)
        if job.key in self._trials:
            self._progress.remove_task(self._trials.pop(job.key))
        if status != Status.DONE:
            self._progress.console.print(escape(f"{job.name}: {status}{_reason(error)}"), style="red")
        self._show()

    def waiting(self, job: Job[Any]) -> None:
        self._progress.console.print(escape(f"{job.name}: another runner has it; waiting"))

    def _show(self) -> None:
        failed = f", {self._tally.failed} not done" if self._tally.failed else ""
        description = f"{self._tally.ended} of {self._tally.trials} trials{failed}"
        self._progress.update(self._all, completed=self._tally.rounds_done, description=description)


class FailuresOnly:
    """Says only what went wrong."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        self._tally.started(job, rounds_done)

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        self._tally.advance(job)

    def trial_died(self, job: Job[Any], how: str) -> None:
        click.echo(f"{job.name}: {how}", err=True)

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        self._tally.end(job, status)
        if status != Status.DONE:
            click.echo(f"{job.name}: {status}{_reason(error)}", err=True)

    def waiting(self, job: Job[Any]) -> None:
        return


@contextmanager
def make_observer(jobs: Sequence[Job[Any]], quiet: bool) -> Iterator[Lines | Bars | FailuresOnly]:
    """The observer that fits the output. Interrupted, it says what is left for the next run."""
    tally = Tally(jobs)
    try:
        with _observer(tally, jobs, quiet) as observer:
            yield observer
    except KeyboardInterrupt:
        click.echo(f"\n{tally.left_over()}", err=True)
        raise


@contextmanager
def _observer(tally: Tally, jobs: Sequence[Job[Any]], quiet: bool) -> Iterator[Lines | Bars | FailuresOnly]:
    console = Console()
    if quiet:
        yield FailuresOnly(tally)
    elif not console.is_terminal:
        yield Lines(tally)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rounds"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            yield Bars(tally, jobs, progress)


def _told(line: Measurement) -> str:
    """A measurement, in short."""
    if isinstance(line, Round):
        return f"{line.labels} labels, accuracy {line.accuracy:.4f}"
    return f"{statistics.median(line.seconds):.3g} s" if line.seconds else line.status


def _reason(error: str | None) -> str:
    return f": {with_short_paths(error)}" if error else ""
