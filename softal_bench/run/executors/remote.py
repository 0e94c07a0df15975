"""Trials that are computed elsewhere and told of by messages, as what the runner does with any job."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from softal_bench.errors import ExecutorError, JournalError
from softal_bench.journal.origin import plugins, versions
from softal_bench.run.executors.process import Message, Request
from softal_bench.run.jobs import Attempt, Line
from softal_bench.run.trial_work import TrialJob
from softal_bench.trial.attribution import Died, Ended

_SETTLE_SECONDS = 0.2  # in which the runner hears of what has ended its workers too: a signal to all, say
Messages = Generator[Message, None, None]


class RemoteWork:
    """Trials that are computed elsewhere.

    Args:
        messages: has a trial computed, and yields what is told of it; see `softal_bench.run.executors.process`.
        stop: has every `messages` that goes on end soon, as if the process that computes had died.
    """

    def __init__(self, messages: Callable[[Request], Messages], stop: Callable[[], None]) -> None:
        self._messages = messages
        self._stop = stop
        self._stopped = threading.Event()
        self._open: dict[str, Messages] = {}
        self._origins: dict[str, Line] = {}

    def skips(self, job: TrialJob) -> str | None:
        return None

    def ended(self, job: TrialJob, status: str) -> None:
        return

    def stop(self) -> None:
        self._stopped.set()
        self._stop()

    @contextmanager
    def computing(self, job: TrialJob) -> Iterator[None]:
        """Whoever computes the trial is free again afterwards."""
        try:
            yield
        finally:
            if job.key in self._open:
                self._open.pop(job.key).close()

    def origin(self, job: TrialJob) -> Line:
        """As the worker reported; if it died before it could, with the plugins and versions here."""
        return self._origins.get(job.key) or {
            "plugins": plugins(job.condition),
            "versions": versions(job.condition),
            "environment": {},
        }

    def take_up(self, job: TrialJob, done: Sequence[Line]) -> Attempt:
        if self._stopped.is_set():
            raise KeyboardInterrupt
        request = {"condition": job.condition.spec(), "trial": job.trial, "key": job.key, "done": list(done)}
        self._open[job.key] = self._messages(request)
        _, self._origins[job.key] = self._next(job.key)
        _, start, provenance = self._next(job.key)
        return _RemoteAttempt(start, provenance, lambda: self._next(job.key))

    def _next(self, key: str) -> Message:
        """The next message of a trial; those that end it otherwise than well are raised."""
        message = next(self._open[key])
        kind, *rest = message
        if kind == "died" and self._stopped.wait(_SETTLE_SECONDS):
            raise KeyboardInterrupt
        raised: dict[str, Callable[[], Exception]] = {
            "died": lambda: Died(*rest),
            "ended": lambda: Ended(*rest),
            "unreadable": lambda: JournalError(*rest),
            "refused": lambda: ExecutorError(*rest),
            "raised": lambda: RuntimeError(f"in a worker:\n{rest[0]}"),
        }
        if kind in raised:
            raise raised[kind]()
        return message


@dataclass(frozen=True)
class _RemoteAttempt:
    start: list[int]
    provenance: Line | None
    next_message: Callable[[], Message]

    def lines(self) -> Iterator[Line]:
        while (message := self.next_message())[0] == "line":
            yield message[1]
