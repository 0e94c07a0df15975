"""What is done and what is left of a run, and how long that will take."""

import time
from collections.abc import Sequence
from typing import Any

from softal_bench.run.jobs import Job


class Tally:
    """Counts of a run. A trial that ended early has no rounds left to do either."""

    def __init__(self, jobs: Sequence[Job[Any]]) -> None:
        self.trials = len(jobs)
        self.ended = 0
        self.failed = 0
        self._rounds = sum(job.rounds for job in jobs)
        self._rounds_of: dict[str, int] = {}  # of trials that go on: those in the journal
        self._in_ended = 0
        self._measured = 0
        self._since = time.monotonic()

    def started(self, job: Job[Any], rounds_done: int) -> None:
        self._rounds_of[job.key] = rounds_done

    def advance(self, job: Job[Any]) -> None:
        self._rounds_of[job.key] += 1
        self._measured += 1

    def end(self, job: Job[Any], status: str) -> None:
        self._rounds_of.pop(job.key, None)
        self._in_ended += job.rounds
        self.ended += 1
        self.failed += status != "done"

    @property
    def rounds_done(self) -> int:
        """Rounds that need not be done any more."""
        return self._in_ended + sum(self._rounds_of.values())

    def __str__(self) -> str:
        left = self._rounds - self.rounds_done
        text = f"{left} rounds left"
        if self._measured:
            seconds = (time.monotonic() - self._since) / self._measured * left
            text += f", about {duration(seconds)}"
        return text + (f"; {self.failed} trials not done" if self.failed else "")

    def left_over(self) -> str:
        """What the next run goes on with."""
        begun = len(self._rounds_of)
        rounds = sum(self._rounds_of.values())
        return (
            f"left for next time: {begun} trials that have begun, which go on after their {rounds} rounds, and "
            f"{self.trials - self.ended - begun} others"
        )


def duration(seconds: float) -> str:
    """A length of time, in short.

    >>> duration(80), duration(600), duration(9000), duration(260_000)
    ('80 s', '10 min', '2.5 h', '3.0 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
