"""Deadlines: a timer signal interrupts calls that take too long, in the main thread, which computes the trials.

A signal handler may run between any two bytecodes, so an exception that it raises could appear in cleanup code, or just
after the timed call has returned, and end the whole run. The handler therefore inspects the stack that it interrupts.
It raises only inside a call that `Clock` watches, where `Clock` catches the exception, and never in the code that reads
and restores global state around calls into plugins. Everywhere else it tries again a moment later.
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
from softal_bench.trial import attribution
from softal_bench.trial.attribution import Ended, TimedOut

T = TypeVar("T")
OnDeadline = Callable[[float | None, str], None]
_AGAIN = 1.0  # seconds until the handler raises once more, in case a plugin has caught the exception
_SOON = 0.01  # seconds until the handler tries again when it could not raise


def ignore_deadline(seconds: float | None, message: str) -> None:
    """Do nothing. This is the default of `Clock`, used if no other process watches this one."""


class Clock:
    """The deadlines of one attempt at a trial, by the monotonic clock.

    Args:
        limits: the time limits of the trial.
        spent: the seconds that earlier attempts took.
        on_deadline: called with the seconds until a deadline and its message whenever a deadline is set, and with None
            when no deadline is left, so that another process can kill this one if the signal does not end the call.
    """

    def __init__(self, limits: TrialLimits, spent: float = 0.0, on_deadline: OnDeadline = ignore_deadline) -> None:
        self._select_seconds = limits.select_seconds
        self._on_deadline = on_deadline
        self._deadlines: list[tuple[float, str]] = []
        self._trial = None
        if limits.trial_hours is not None:
            deadline = time.monotonic() + limits.trial_hours * 3600 - spent
            self._trial = (deadline, f"the trial took more than {limits.trial_hours:g} hours (limits.trial_hours)")

        if (self._trial or self._select_seconds) and _in_main_thread():
            signal.signal(signal.SIGALRM, self._raise)  # set here, so that the change is not attributed to a plugin

    def trial(self, call: Callable[[], T]) -> T:
        """Make a call of the trial. In the main thread, raise Ended if the trial exceeds its time limit."""
        return self._within(self._trial, call)

    def selection(self, call: Callable[[], T]) -> T:
        """Call `select`. In the main thread, raise Ended if the call exceeds its time limit.

        Raises:
            GlobalStateError: if there is a limit and the call changes the timer.
        """
        limit = self._select_seconds
        message = f"select took more than {limit} s (limits.select_seconds)"
        return self._within(None if limit is None else (time.monotonic() + limit, message), call)

    def _within(self, deadline: tuple[float, str] | None, call: Callable[[], T]) -> T:
        if deadline is None or not _in_main_thread():
            return _interruptible(call)  # by an outer deadline, whose call catches the exception
        if not self._deadlines:
            signal.signal(signal.SIGALRM, self._raise)
        self._deadlines.append(deadline)
        try:
            self._arm()
            armed = snapshot([TIMER])
            result = _interruptible(call)
            armed.require_unchanged()  # before `_arm` sets the timer again
            return result
        except TimedOut as error:
            raise Ended(Status.TIMEOUT, str(error)) from None
        finally:
            self._deadlines.remove(deadline)
            self._arm()

    def _arm(self) -> None:
        """Set the timer to the earliest deadline."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if not self._deadlines:
            self._on_deadline(None, "")
            return
        deadline, message = min(self._deadlines)
        left = max(deadline - time.monotonic(), 1e-6)
        self._on_deadline(left, message)
        signal.setitimer(signal.ITIMER_REAL, left, _AGAIN)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        due = [message for deadline, message in sorted(self._deadlines) if time.monotonic() >= deadline]
        if not due:  # the signal came just as the call ended
            return
        if _can_be_interrupted(frame):
            raise TimedOut(due[0])
        signal.setitimer(signal.ITIMER_REAL, _SOON, _AGAIN)


def _interruptible(call: Callable[[], T]) -> T:
    """Make the call. The handler may raise only in this frame, because `Clock._within` catches the exception here."""
    return call()


def _can_be_interrupted(frame: FrameType | None) -> bool:
    """Return whether this module's innermost frame is `_interruptible` and no inner frame restores global state."""
    while frame is not None:
        if frame.f_globals is globals():
            return frame.f_code is _interruptible.__code__
        if _restores_state(frame):
            return False
        frame = frame.f_back
    return False


def _restores_state(frame: FrameType) -> bool:
    """Return whether the frame belongs to code around a call into a plugin that must not be interrupted.

    The plugin itself runs in the body of a `with` statement, which is never called from these frames. The frames of
    contextlib that enter and leave these context managers count too.
    """
    if frame.f_code in _CONTEXTLIB:
        generator = frame.f_locals["self"].gen
        return getattr(generator, "gi_code", None) in _CONTEXTS
    return any(frame.f_globals is module for module in _GLOBALS)


_GLOBALS = [vars(module) for module in (isolation, settings, threads)]
_CONTEXTS = [
    inspect.unwrap(context).__code__
    for context in cast("list[FunctionType]", [attribution.attributed_to, isolation.unchanged, isolation.restored])
]
_CONTEXTLIB = [
    contextlib._GeneratorContextManager.__enter__.__code__,
    contextlib._GeneratorContextManager.__exit__.__code__,
]


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
