"""The contract of an executor, and the `Work` of executors that compute trials in other processes."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from softal_bench.errors import ExecutorError, JournalError
from softal_bench.journal.lines import Ending, Environment, Measurement, Round, Status, as_json, parse_json
from softal_bench.journal.origin import Origin, origin, origin_from_json
from softal_bench.run.executors.messages import (
    Computed,
    Death,
    Failed,
    Message,
    Originated,
    Raised,
    Ready,
    Refused,
    Request,
    Unreadable,
    WorkerSetting,
)
from softal_bench.run.jobs import Computation, Job, Work
from softal_bench.suite import Condition, Resources, TrialLimits
from softal_bench.trial.attribution import Died, Ended

_SETTLE_SECONDS = 0.2  # time for the runner to receive a signal that also ended its workers, such as one to the group
Messages = Generator[Message, None, None]


@dataclass(frozen=True)
class Setting:
    """The settings that all trials of a run share.

    Attributes:
        data_root: the folder of data.
        limits: the time limits of a trial.
        resources: the resources that a trial requests from a cluster.
        threads: the largest number of CPU threads of any trial.
    """

    data_root: Path
    limits: TrialLimits
    resources: Resources
    threads: int

    def requested(self) -> dict[str, float]:
        """Return the resources that a trial requests from a cluster, by Ray's names."""
        cpus = self.resources.cpus
        return {"CPU": self.threads if cpus is None else cpus, "GPU": self.resources.gpus}

    def for_worker(self, device: str, fetch: bool = False) -> WorkerSetting:
        """Return the setting of a worker with this device. The worker downloads missing data if `fetch`."""
        return WorkerSetting(str(self.data_root), device, self.limits.model_dump(), fetch, self.threads)


@dataclass(frozen=True)
class Crew:
    """The workers of a run: their `Work`, and their number. Each worker computes one trial at a time."""

    work: Work[Condition]
    workers: int


class Executor(Protocol):
    """Where trials are computed."""

    @property
    def place(self) -> str:
        """The name of the place in messages."""

    def started(self, setting: Setting) -> AbstractContextManager[Crew]:
        """Start a crew for a run. All its processes have ended when the context ends."""


class RemoteWork:
    """Trials that other processes compute.

    Args:
        messages: requests a trial and yields its messages (see `softal_bench.run.executors.messages`).
        stop: makes every running `messages` end soon, as if the worker had died.
    """

    def __init__(self, messages: Callable[[Request], Messages], stop: Callable[[], None]) -> None:
        self._messages = messages
        self._stop = stop
        self._stopped = threading.Event()
        self._open: dict[str, Messages] = {}
        self._origins: dict[str, Origin] = {}

    def skips(self, job: Job[Condition]) -> str | None:
        return None

    def ended(self, job: Job[Condition], status: Status) -> None:
        return

    def stop(self) -> None:
        self._stopped.set()
        self._stop()

    @contextmanager
    def computing(self, job: Job[Condition]) -> Iterator[None]:
        """Release the worker of the trial at the end."""
        try:
            yield
        finally:
            if job.key in self._open:
                self._open.pop(job.key).close()

    def origin(self, job: Job[Condition]) -> Origin:
        """Return the origin that the worker reported; if it died first, the plugins and versions of this process."""
        return self._origins.get(job.key) or origin(job.condition, Environment())

    def take_up(self, job: Job[Condition], done: Sequence[Measurement]) -> Computation:
        if self._stopped.is_set():
            raise KeyboardInterrupt
        self._open[job.key] = self._messages(
            Request(job.condition.spec(), job.trial, job.key, list(map(as_json, done)))
        )
        originated = self._next(job.key)
        assert isinstance(originated, Originated)
        self._origins[job.key] = origin_from_json(originated.origin)
        ready = self._next(job.key)
        assert isinstance(ready, Ready)
        return _RemoteComputation(ready.start, ready.provenance, lambda: self._next(job.key))

    def _next(self, key: str) -> Message:
        """Return the next message of a trial. Raise an error for a last message other than `Done`."""
        message = next(self._open[key])
        match message:
            case Death(how, lost):
                if self._stopped.wait(_SETTLE_SECONDS):
                    raise KeyboardInterrupt
                raise Died(how, lost)
            case Failed(status, text, details, _):
                raise Ended(cast("Ending", Status(status)), text, details)
            case Unreadable(text):
                raise JournalError(text)
            case Refused(text):
                raise ExecutorError(text)
            case Raised(traceback):
                raise RuntimeError(f"in a worker:\n{traceback}")
        return message


@dataclass(frozen=True)
class _RemoteComputation:
    start: list[int]
    provenance: dict[str, Any] | None
    next_message: Callable[[], Message]

    def measurements(self) -> Iterator[Measurement]:
        while isinstance(message := self.next_message(), Computed):
            line = parse_json(message.line)
            assert isinstance(line, Round)
            yield line
