"""Ends what takes too long: a timer signal raises in the main thread, which is where trials are computed."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from softal_bench.bench.failures import Ended
from softal_bench.suite import TrialLimits

Told = Callable[[float | None, str], None]
_AGAIN = 1.0  # seconds after which it is raised once more, should a plugin have caught it


def untold(seconds: float | None, message: str) -> None:
    """Where nobody watches."""


class _TimedOut(BaseException):
    """What a plugin that catches every Exception does not catch."""


class Clock:
    """The limits of one attempt at a trial, by a clock that nobody can set back.

    Args:
        limits: what the trial may take.
        spent: seconds that it took in earlier attempts.
        told: is told of each limit as it begins to count, in seconds and in words, and with None when none counts any
            more: who watches from another process can end what no signal ends.
    """

    def __init__(self, limits: TrialLimits, spent: float = 0.0, told: Told = untold) -> None:
        self._select_seconds = limits.select_seconds
        self._told = told
        self._deadlines: list[tuple[float, str]] = []
        self._trial = None
        if limits.trial_hours is not None:
            deadline = time.monotonic() + limits.trial_hours * 3600 - spent
            self._trial = (deadline, f"the trial took more than {limits.trial_hours:g} hours (limits.trial_hours)")

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Raise Ended, in the main thread, if this part of the trial goes on beyond the trial's time."""
        with self._until(self._trial):
            yield

    @contextmanager
    def selection(self) -> Iterator[None]:
        """Raise Ended, in the main thread, if this call of `select` takes too long."""
        limit = self._select_seconds
        message = f"select took more than {limit} s (limits.select_seconds)"
        with self._until(None if limit is None else (time.monotonic() + limit, message)):
            yield

    @contextmanager
    def _until(self, deadline: tuple[float, str] | None) -> Iterator[None]:
        if deadline is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._deadlines.append(deadline)
        try:
            self._arm()
            yield
        except _TimedOut as error:
            raise Ended("timeout", str(error)) from None
        finally:
            self._deadlines.remove(deadline)
            self._arm()

    def _arm(self) -> None:
        """Set the timer to the first of the deadlines."""
        signal.setitimer(signal.ITIMER_REAL, 0)  # nothing is to be raised while it is told
        if not self._deadlines:
            self._told(None, "")
            return
        deadline, message = min(self._deadlines)
        left = max(deadline - time.monotonic(), 1e-6)
        self._told(left, message)
        signal.signal(signal.SIGALRM, self._raise)
        signal.setitimer(signal.ITIMER_REAL, left, _AGAIN)

    def _raise(self, *_: Any) -> None:
        due = [message for deadline, message in sorted(self._deadlines) if time.monotonic() >= deadline]
        if due:  # else it came just when the part was over
            raise _TimedOut(due[0])
