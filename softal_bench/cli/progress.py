"""Progress of a run: bars in a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from softal_bench.bench.runner import Job, num_trainings
from softal_bench.bench.trial import num_rounds
from softal_bench.suite import Suite


class Lines:
    """Plain lines: one for each trial that starts and ends, and one every few seconds between."""

    def __init__(self, suite: Suite, seconds_between: float = 10) -> None:
        self._total = len(suite.conditions) * suite.trials
        self._remaining = _Remaining(num_trainings(suite))
        self._seconds_between = seconds_between
        self._ended = 0
        self._told = time.monotonic()

    def trial_started(self, job: Job, rounds_done: int) -> None:
        self._remaining.skip(rounds_done)
        if rounds_done:
            click.echo(f"  {job.name}: goes on after {rounds_done} rounds")

    def round_done(self, job: Job, line: dict[str, Any]) -> None:
        self._remaining.advance()
        if time.monotonic() - self._told >= self._seconds_between:
            self._told = time.monotonic()
            click.echo(f"  {job.name}: {line['labels']} labels, accuracy {line['accuracy']:.4f}; {self._remaining}")

    def trial_ended(self, job: Job, status: str, error: str | None, ran: bool) -> None:
        self._ended += 1
        if not ran or status != "done":
            self._remaining.settle(job, ran)
        if ran or status != "done":
            click.echo(f"[{self._ended}/{self._total}] {job.name}: {status}{_reason(error)}; {self._remaining}")

    def waiting(self, job: Job) -> None:
        click.echo(f"  {job.name}: another runner has it; waiting")


class Bars:
    """A bar for the suite and one for the trial that runs."""

    def __init__(self, suite: Suite, progress: Progress) -> None:
        self._progress = progress
        self._suite = progress.add_task(escape(suite.name), total=num_trainings(suite))
        self._trial = progress.add_task("", total=1, visible=False)

    def trial_started(self, job: Job, rounds_done: int) -> None:
        total = num_rounds(job.condition)
        self._progress.reset(
            self._trial, total=total, completed=rounds_done, visible=True, description=escape(job.name)
        )
        self._progress.advance(self._suite, rounds_done)

    def round_done(self, job: Job, line: dict[str, Any]) -> None:
        self._progress.advance(self._trial)
        self._progress.advance(self._suite)
        description = f"{job.name}: {line['labels']} labels, accuracy {line['accuracy']:.4f}"
        self._progress.update(self._trial, description=escape(description))

    def trial_ended(self, job: Job, status: str, error: str | None, ran: bool) -> None:
        if not ran:
            self._progress.advance(self._suite, num_rounds(job.condition))
        if status != "done":
            self._progress.console.print(escape(f"{job.name}: {status}{_reason(error)}"), style="red")

    def waiting(self, job: Job) -> None:
        self._progress.console.print(escape(f"{job.name}: another runner has it; waiting"))


class FailuresOnly:
    """Says only what went wrong."""

    def trial_started(self, job: Job, rounds_done: int) -> None:
        return

    def round_done(self, job: Job, line: dict[str, Any]) -> None:
        return

    def trial_ended(self, job: Job, status: str, error: str | None, ran: bool) -> None:
        if status != "done":
            click.echo(f"{job.name}: {status}{_reason(error)}", err=True)

    def waiting(self, job: Job) -> None:
        return


@contextmanager
def make_observer(suite: Suite, quiet: bool) -> Iterator[Lines | Bars | FailuresOnly]:
    """The observer that fits the output."""
    console = Console()
    if quiet:
        yield FailuresOnly()
    elif not console.is_terminal:
        yield Lines(suite)
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
            yield Bars(suite, progress)


class _Remaining:
    """Rounds left, and the time that they take at the mean pace so far."""

    def __init__(self, rounds: int) -> None:
        self._left = rounds
        self._done = 0
        self._since = time.monotonic()

    def advance(self) -> None:
        self._left -= 1
        self._done += 1

    def skip(self, rounds: int) -> None:
        self._left -= rounds

    def settle(self, job: Job, ran: bool) -> None:
        if not ran:
            self._left -= num_rounds(job.condition)

    def __str__(self) -> str:
        if not self._done:
            return f"{self._left} rounds left"
        seconds = (time.monotonic() - self._since) / self._done * self._left
        return f"{self._left} rounds left, about {_duration(seconds)}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _reason(error: str | None) -> str:
    return f": {error}" if error else ""
