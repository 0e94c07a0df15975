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
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from softal_bench.bench.runner import Job


class Lines:
    """Plain lines: one for each trial that starts and ends, and one every few seconds between."""

    def __init__(self, jobs: Sequence[Job[Any]], seconds_between: float = 10) -> None:
        self._total = len(jobs)
        self._remaining = _Remaining(sum(job.rounds for job in jobs))
        self._seconds_between = seconds_between
        self._ended = 0
        self._told = time.monotonic()

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        self._remaining.take_up(rounds_done)
        if rounds_done:
            click.echo(f"  {job.name}: goes on after {rounds_done} rounds")

    def round_done(self, job: Job[Any], line: dict[str, Any]) -> None:
        self._remaining.advance()
        if time.monotonic() - self._told >= self._seconds_between:
            self._told = time.monotonic()
            click.echo(f"  {job.name}: {_told(line)}; {self._remaining}")

    def trial_ended(self, job: Job[Any], status: str, error: str | None, ran: bool) -> None:
        self._ended += 1
        self._remaining.end(job)
        if ran or status != "done":
            click.echo(f"[{self._ended}/{self._total}] {job.name}: {status}{_reason(error)}; {self._remaining}")

    def waiting(self, job: Job[Any]) -> None:
        click.echo(f"  {job.name}: another runner has it; waiting")


class Bars:
    """A bar for the suite and one for the trial that runs."""

    def __init__(self, jobs: Sequence[Job[Any]], progress: Progress) -> None:
        self._progress = progress
        self._all = progress.add_task("all", total=sum(job.rounds for job in jobs))
        self._trial = progress.add_task("", total=1, visible=False)
        self._in_trial = 0

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        self._progress.reset(
            self._trial, total=job.rounds, completed=rounds_done, visible=True, description=escape(job.name)
        )
        self._in_trial = rounds_done
        self._progress.advance(self._all, rounds_done)

    def round_done(self, job: Job[Any], line: dict[str, Any]) -> None:
        self._in_trial += 1
        self._progress.advance(self._trial)
        self._progress.advance(self._all)
        self._progress.update(self._trial, description=escape(f"{job.name}: {_told(line)}"))

    def trial_ended(self, job: Job[Any], status: str, error: str | None, ran: bool) -> None:
        self._progress.advance(self._all, job.rounds - self._in_trial)  # a trial that ended early has none left either
        self._in_trial = 0
        if status != "done":
            self._progress.console.print(escape(f"{job.name}: {status}{_reason(error)}"), style="red")

    def waiting(self, job: Job[Any]) -> None:
        self._progress.console.print(escape(f"{job.name}: another runner has it; waiting"))


class FailuresOnly:
    """Says only what went wrong."""

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        return

    def round_done(self, job: Job[Any], line: dict[str, Any]) -> None:
        return

    def trial_ended(self, job: Job[Any], status: str, error: str | None, ran: bool) -> None:
        if status != "done":
            click.echo(f"{job.name}: {status}{_reason(error)}", err=True)

    def waiting(self, job: Job[Any]) -> None:
        return


@contextmanager
def make_observer(jobs: Sequence[Job[Any]], quiet: bool) -> Iterator[Lines | Bars | FailuresOnly]:
    """The observer that fits the output."""
    console = Console()
    if quiet:
        yield FailuresOnly()
    elif not console.is_terminal:
        yield Lines(jobs)
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
            yield Bars(jobs, progress)


class _Remaining:
    """Rounds left, and the time that they take at the mean pace so far."""

    def __init__(self, rounds: int) -> None:
        self._left = rounds
        self._done = 0
        self._in_trial = 0
        self._since = time.monotonic()

    def take_up(self, rounds_done: int) -> None:
        self._in_trial = rounds_done
        self._left -= rounds_done

    def advance(self) -> None:
        self._in_trial += 1
        self._left -= 1
        self._done += 1

    def end(self, job: Job[Any]) -> None:
        """A trial that ended early has no rounds left to do either."""
        self._left -= job.rounds - self._in_trial
        self._in_trial = 0

    def __str__(self) -> str:
        if not self._done:
            return f"{self._left} rounds left"
        seconds = (time.monotonic() - self._since) / self._done * self._left
        return f"{self._left} rounds left, about {_duration(seconds)}"


def _told(line: dict[str, Any]) -> str:
    """What a line of measurements says, in short."""
    if line["kind"] == "round":
        return f"{line['labels']} labels, accuracy {line['accuracy']:.4f}"
    return f"{statistics.median(line['seconds']):.3g} s" if line["seconds"] else str(line["status"])


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _reason(error: str | None) -> str:
    return f": {error}" if error else ""
