"""Ends what takes too long: a timer signal raises in the main thread, which is where trials are computed.

A signal handler runs between any two bytecodes, so an exception that it raises could appear in code that cleans up, or
just after a limited call has returned, and end the whole run. The handler therefore looks at the stack that it has
interrupted, and raises only inside a call that `Clock` has limited and will catch it from. There it spares the code
that reads and restores global state around calls into plugins. Everywhere else it tries again a moment later.
"""

import contextlib
import inspect
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import TypeVar, cast

from softal_bench.journal.lines import Status
from softal_bench.machine import isolation, settings, threads
from softal_bench.machine.isolation import snapshot
from softal_bench.machine.settings import TIMER
from softal_bench.suite import TrialLimits
from softal_bench.trial import attribution as failures
from softal_bench.trial.attribution import Ended

T = TypeVar("T")
OnLimit = Callable[[float | None, str], None]
_AGAIN = 1.0  # seconds after which it is raised once more, should a plugin have caught it
_SOON = 0.01  # seconds after which the handler tries again where it could not raise


def ignore_limit(seconds: float | None, message: str) -> None:
    """What `Clock` calls where nobody watches."""


class _TimedOut(BaseException):
    """What a plugin that catches every Exception does not catch."""


class Clock:
    """The limits of one attempt at a trial, by a clock that nobody can set back.

    Args:
        limits: what the trial may take.
        spent: seconds that it took in earlier attempts.
        on_limit: called with each limit as it begins to count, in seconds and in words, and with None when no limit
            counts any more, so that a watching process can end what no signal ends.
    """

    def __init__(self, limits: TrialLimits, spent: float = 0.0, on_limit: OnLimit = ignore_limit) -> None:
        self._select_seconds = limits.select_seconds
        self._on_limit = on_limit
        self._deadlines: list[tuple[float, str]] = []
        self._trial = None
        if limits.trial_hours is not None:
            deadline = time.monotonic() + limits.trial_hours * 3600 - spent
            self._trial = (deadline, f"the trial took more than {limits.trial_hours:g} hours (limits.trial_hours)")

        if (self._trial or self._select_seconds) and _in_main_thread():
            signal.signal(signal.SIGALRM, self._raise)  # here, so that no plugin is taken to have changed the handler

    def trial(self, call: Callable[[], T]) -> T:
        """Call it, and raise Ended, in the main thread, if it goes on beyond the trial's time."""
        return self._within(self._trial, call)

    def selection(self, call: Callable[[], T]) -> T:
        """Call it, and raise Ended, in the main thread, if this call of `select` takes too long.

        Raises:
            GlobalStateError: if the call changes the timer and there is a limit.
        """
        limit = self._select_seconds
        message = f"select took more than {limit} s (limits.select_seconds)"
        return self._within(None if limit is None else (time.monotonic() + limit, message), call)

    def _within(self, deadline: tuple[float, str] | None, call: Callable[[], T]) -> T:
        if deadline is None or not _in_main_thread():
            return _interruptible(call)  # by an outer limit, which catches it
        if not self._deadlines:
            signal.signal(signal.SIGALRM, self._raise)
        self._deadlines.append(deadline)
        try:
            self._arm()
            armed = snapshot([TIMER])
            result = _interruptible(call)
            armed.require_unchanged()  # here, since the timer is set anew before any caller could compare it
            return result
        except _TimedOut as error:
            raise Ended(Status.TIMEOUT, str(error)) from None
        finally:
            self._deadlines.remove(deadline)
            self._arm()

    def _arm(self) -> None:
        """Set the timer to the first of the deadlines."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if not self._deadlines:
            self._on_limit(None, "")
            return
        deadline, message = min(self._deadlines)
        left = max(deadline - time.monotonic(), 1e-6)
        self._on_limit(left, message)
        signal.setitimer(signal.ITIMER_REAL, left, _AGAIN)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        due = [message for deadline, message in sorted(self._deadlines) if time.monotonic() >= deadline]
        if not due:  # it came just when the part was over
            return
        if _can_be_interrupted(frame):
            raise _TimedOut(due[0])
        signal.setitimer(signal.ITIMER_REAL, _SOON, _AGAIN)


def _interruptible(call: Callable[[], T]) -> T:
    """The call that the handler may interrupt: `Clock._within` catches what is raised from here, and nothing later."""
    return call()


def _can_be_interrupted(frame: FrameType | None) -> bool:
    """Whether the innermost function of this module on the stack is `_interruptible`, and no code restores settings."""
    while frame is not None:
        if frame.f_globals is globals():
            return frame.f_code is _interruptible.__code__
        if _restores(frame):
            return False
        frame = frame.f_back
    return False


def _restores(frame: FrameType) -> bool:
    """Whether the frame belongs to code around a call into a plugin that has to run to its end.

    The plugin itself runs in the body of a `with`, which is never called from these frames. Entering and leaving a
    generator's context manager takes a few instructions of contextlib, which belong to it.
    """
    if frame.f_code in _CONTEXTLIB:
        generator = frame.f_locals["self"].gen
        return getattr(generator, "gi_code", None) in _CONTEXTS
    return any(frame.f_globals is module for module in _GLOBALS)


_GLOBALS = [vars(module) for module in (isolation, settings, threads)]
_CONTEXTS = [
    inspect.unwrap(context).__code__
    for context in cast("list[FunctionType]", [failures.blame, isolation.unchanged, isolation.restored])
]
_CONTEXTLIB = [
    contextlib._GeneratorContextManager.__enter__.__code__,
    contextlib._GeneratorContextManager.__exit__.__code__,
]


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
