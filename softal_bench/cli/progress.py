"""The progress of a run: what is done and left, shown as bars in a terminal and as plain lines elsewhere."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from softal_bench.cli.options import say, with_short_paths
from softal_bench.cli.results import plain
from softal_bench.journal.lines import Measurement, Round, Status
from softal_bench.run.jobs import Job


class Tally:
    """The number of jobs and rounds of a run that are done and left. A job that ended early has no rounds left."""

    def __init__(self, jobs: Sequence[Job[Any]]) -> None:
        self.trials = len(jobs)
        self.ended = 0
        self.failed = 0
        self._rounds = sum(job.rounds for job in jobs)
        self._rounds_of: dict[str, int] = {}  # of each job that runs: the rounds in its journal
        self._in_ended = 0
        self._measured = 0
        self._since = time.monotonic()

    def start(self, job: Job[Any], rounds_done: int) -> None:
        """Count a job that starts, or continues after the rounds in its journal."""
        self._rounds_of[job.key] = rounds_done

    def advance(self, job: Job[Any]) -> None:
        """Count a round."""
        self._rounds_of[job.key] += 1
        self._measured += 1

    def end(self, job: Job[Any], status: Status) -> None:
        """Count a job that ended."""
        self._rounds_of.pop(job.key, None)
        self._in_ended += job.rounds
        self.ended += 1
        self.failed += status != Status.DONE

    @property
    def rounds_done(self) -> int:
        """The number of rounds that are done or skipped."""
        return self._in_ended + sum(self._rounds_of.values())

    def __str__(self) -> str:
        left = self._rounds - self.rounds_done
        text = f"{left} rounds left"
        if self._measured:
            seconds = (time.monotonic() - self._since) / self._measured * left
            text += f", about {duration(seconds)}"
        return text + (f"; {self.failed} trials not done" if self.failed else "")

    def left_over(self) -> str:
        """Return what the next run does."""
        begun = len(self._rounds_of)
        rounds = sum(self._rounds_of.values())
        return (
            f"left for the next run: {begun} trials that have started, which continue after their {rounds} rounds, and "
            f"{self.trials - self.ended - begun} others"
        )


def duration(seconds: float) -> str:
    """Return a duration as short text.

    >>> duration(80), duration(600), duration(9000), duration(260_000)
    ('80 s', '10 min', '2.5 h', '3.0 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


class Lines:
    """Plain lines: one when a trial continues or ends, and one every few seconds in between."""

    def __init__(self, tally: Tally, seconds_between: float = 10) -> None:
        self._tally = tally
        self._seconds_between = seconds_between
        self._last = time.monotonic()

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        self._tally.start(job, rounds_done)
        if rounds_done:
            say(f"  {job.name}: continues after {rounds_done} rounds")

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        self._tally.advance(job)
        if time.monotonic() - self._last >= self._seconds_between:
            self._last = time.monotonic()
            say(f"  {job.name}: {_brief(line)}; {self._tally}")

    def trial_died(self, job: Job[Any], how: str) -> None:
        say(f"  {job.name}: {how}")

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        self._tally.end(job, status)
        if ran or status != Status.DONE:
            done = f"[{self._tally.ended}/{self._tally.trials}]"
            say(f"{done} {job.name}: {status}{_reason(error)}; {self._tally}")

    def waiting(self, job: Job[Any], why: str) -> None:
        say(f"  {job.name}: waiting; {why}")


class Bars:
    """A bar for the suite and a bar for each running trial."""

    def __init__(self, tally: Tally, jobs: Sequence[Job[Any]], progress: Progress) -> None:
        self._tally = tally
        self._progress = progress
        self._all = progress.add_task("all", total=sum(job.rounds for job in jobs))
        self._trials: dict[str, TaskID] = {}

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        self._tally.start(job, rounds_done)
        if job.key in self._trials:  # its process died, and it is retried
            self._progress.update(self._trials[job.key], completed=rounds_done)
        else:
            self._trials[job.key] = self._progress.add_task(plain(job.name), total=job.rounds, completed=rounds_done)
        self._show()

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        self._tally.advance(job)
        task = self._trials[job.key]
        self._progress.update(task, advance=1, description=plain(f"{job.name}: {_brief(line)}"))
        self._show()

    def trial_died(self, job: Job[Any], how: str) -> None:
        self._progress.console.print(plain(f"{job.name}: {how}"), style="red")

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        self._tally.end(job, status)
        if job.key in self._trials:
            self._progress.remove_task(self._trials.pop(job.key))
        if status != Status.DONE:
            self._progress.console.print(plain(f"{job.name}: {status}{_reason(error)}"), style="red")
        self._show()

    def waiting(self, job: Job[Any], why: str) -> None:
        self._progress.console.print(plain(f"{job.name}: waiting; {why}"))

    def _show(self) -> None:
        failed = f", {self._tally.failed} not done" if self._tally.failed else ""
        description = f"{self._tally.ended} of {self._tally.trials} trials{failed}"
        self._progress.update(self._all, completed=self._tally.rounds_done, description=description)


class FailuresOnly:
    """Reports failures only."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        self._tally.start(job, rounds_done)

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        self._tally.advance(job)

    def trial_died(self, job: Job[Any], how: str) -> None:
        say(f"{job.name}: {how}", err=True)

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        self._tally.end(job, status)
        if status != Status.DONE:
            say(f"{job.name}: {status}{_reason(error)}", err=True)

    def waiting(self, job: Job[Any], why: str) -> None:
        return


@contextmanager
def make_observer(jobs: Sequence[Job[Any]], quiet: bool) -> Iterator[Lines | Bars | FailuresOnly]:
    """Make the observer that fits the output. If the run is interrupted, report what is left for the next run."""
    tally = Tally(jobs)
    try:
        with _observer(tally, jobs, quiet) as observer:
            yield observer
    except KeyboardInterrupt:
        say(f"\n{tally.left_over()}", err=True)
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


def _brief(line: Measurement) -> str:
    """The main result of a measurement."""
    if isinstance(line, Round):
        return f"{line.labels} labels, accuracy {line.accuracy:.4f}"
    return f"{statistics.median(line.seconds):.3g} s" if line.seconds else line.status


def _reason(error: str | None) -> str:
    return f": {with_short_paths(error)}" if error else ""
