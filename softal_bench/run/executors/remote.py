"""Trials that are computed elsewhere and told of by messages, as what the runner does with any job."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from softal_bench.errors import ExecutorError, JournalError
from softal_bench.journal.lines import Ending, Environment, Measurement, Round, Status, as_json, parse_json
from softal_bench.journal.origin import Origin, origin, origin_from_json
from softal_bench.run.executors.process import Message, Request
from softal_bench.run.jobs import Computation
from softal_bench.run.trials import TrialJob
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
        self._origins: dict[str, Origin] = {}

    def skips(self, job: TrialJob) -> str | None:
        return None

    def ended(self, job: TrialJob, status: Status) -> None:
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

    def origin(self, job: TrialJob) -> Origin:
        """As the worker reported; if it died before it could, with the plugins and versions here."""
        return self._origins.get(job.key) or origin(job.condition, Environment())

    def take_up(self, job: TrialJob, done: Sequence[Measurement]) -> Computation:
        if self._stopped.is_set():
            raise KeyboardInterrupt
        request = {
            "condition": job.condition.spec(),
            "trial": job.trial,
            "key": job.key,
            "done": list(map(as_json, done)),
        }
        self._open[job.key] = self._messages(request)
        _, reported = self._next(job.key)
        self._origins[job.key] = origin_from_json(reported)
        _, start, provenance = self._next(job.key)
        return _RemoteComputation(start, provenance, lambda: self._next(job.key))

    def _next(self, key: str) -> Message:
        """The next message of a trial; those that end it otherwise than well are raised."""
        message = next(self._open[key])
        kind, *rest = message
        if kind == "died" and self._stopped.wait(_SETTLE_SECONDS):
            raise KeyboardInterrupt
        raised: dict[str, Callable[[], Exception]] = {
            "died": lambda: Died(*rest),
            "ended": lambda: Ended(cast("Ending", Status(rest[0])), *rest[1:]),
            "unreadable": lambda: JournalError(*rest),
            "refused": lambda: ExecutorError(*rest),
            "raised": lambda: RuntimeError(f"in a worker:\n{rest[0]}"),
        }
        if kind in raised:
            raise raised[kind]()
        return message


@dataclass(frozen=True)
class _RemoteComputation:
    start: list[int]
    provenance: dict[str, Any] | None
    next_message: Callable[[], Message]

    def measurements(self) -> Iterator[Measurement]:
        while (message := self.next_message())[0] == "line":
            line = parse_json(message[1])
            assert isinstance(line, Round)
            yield line
