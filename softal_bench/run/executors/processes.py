"""Trials side by side in processes of this machine, each on one device."""

import itertools
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from softal_bench.machine.device import device_name
from softal_bench.run.executors.contract import Crew, Setting
from softal_bench.run.executors.process import Request, WorkerProcess
from softal_bench.run.executors.remote import Messages, RemoteWork


@dataclass(frozen=True)
class Processes:
    """Trials side by side in processes, each kept for many trials. One that dies is replaced.

    Attributes:
        jobs: how many.
        devices: one for each process in turn.
    """

    jobs: int
    devices: Sequence[str]

    @property
    def place(self) -> str:
        first = device_name(torch.device(self.devices[0]))
        return f"{', '.join(dict.fromkeys(self.devices))} ({first}), {self.jobs} processes"

    @contextmanager
    def started(self, setting: Setting) -> Iterator[Crew]:
        devices = itertools.islice(itertools.cycle(self.devices), self.jobs)
        pool = _Pool([setting.plain(device) for device in devices])
        try:
            yield Crew(RemoteWork(pool.messages, pool.stop), self.jobs)
        finally:
            pool.close()


class _Place:
    """A place for a worker, which is started when it is first needed."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self._setting = setting
        self.worker: WorkerProcess | None = None

    def filled(self) -> WorkerProcess:
        """The worker in this place, a new one where there is none or it has gone."""
        if self.worker is None or not self.worker.is_usable:
            self.close()
            self.worker = WorkerProcess(self._setting)
        return self.worker

    def close(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.close()


class _Pool:
    """As many workers as settings."""

    def __init__(self, settings: Sequence[dict[str, Any]]) -> None:
        self._places = [_Place(setting) for setting in settings]
        self._free: queue.LifoQueue[_Place] = queue.LifoQueue()
        for place in reversed(self._places):
            self._free.put(place)
        self._stopped = threading.Event()

    def messages(self, request: Request) -> Messages:
        place = self._free.get()
        try:
            worker = place.filled()
            if self._stopped.is_set():  # while it was started
                worker.kill()
            yield from worker.messages(request)
        finally:
            self._free.put(place)

    def stop(self) -> None:
        self._stopped.set()
        for place in self._places:
            if place.worker is not None:
                place.worker.kill()

    def close(self) -> None:
        for place in self._places:
            place.close()
