"""Trials on this machine: one after another in this process, or several at a time in processes."""

import itertools
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from softal_bench.machine.device import device_name
from softal_bench.run.executors.contract import Crew, Messages, RemoteWork, Setting
from softal_bench.run.executors.messages import Request, WorkerSetting
from softal_bench.run.executors.process import WorkerProcess
from softal_bench.run.trials import TrialWork


@dataclass(frozen=True)
class Inline:
    """Trials computed one after another in this process. A plugin that ends the process ends the run.

    Attributes:
        device: where to compute.
    """

    device: torch.device

    @property
    def place(self) -> str:
        return f"{self.device} ({device_name(self.device)})"

    @contextmanager
    def started(self, setting: Setting) -> Iterator[Crew]:
        yield Crew(TrialWork(setting.data_root, self.device, setting.limits), 1)


@dataclass(frozen=True)
class Processes:
    """Trials computed in several processes, each of which computes many trials. A process that dies is replaced.

    Attributes:
        jobs: the number of processes.
        devices: the devices, assigned to the processes in turn.
    """

    jobs: int
    devices: Sequence[str]

    @property
    def place(self) -> str:
        """The devices. The name of a GPU is omitted, because asking for it would make this process use GPU memory."""
        here = torch.device(self.devices[0])
        name = f" ({device_name(here)})" if here.type == "cpu" else ""
        return f"{', '.join(dict.fromkeys(self.devices))}{name}, {self.jobs} processes"

    @contextmanager
    def started(self, setting: Setting) -> Iterator[Crew]:
        devices = itertools.islice(itertools.cycle(self.devices), self.jobs)
        pool = _Pool([setting.for_worker(device) for device in devices])
        try:
            yield Crew(RemoteWork(pool.messages, pool.stop), self.jobs)
        finally:
            pool.close()


class _Place:
    """A place for a worker, which is started when it is first needed."""

    def __init__(self, setting: WorkerSetting) -> None:
        self._setting = setting
        self.worker: WorkerProcess | None = None

    def filled(self) -> WorkerProcess:
        """Return the worker in this place, and start a new one if there is none or it is no longer usable."""
        if self.worker is None or not self.worker.is_usable:
            self.close()
            self.worker = WorkerProcess(self._setting)
        return self.worker

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()


class _Pool:
    """Workers, one for each setting."""

    def __init__(self, settings: Sequence[WorkerSetting]) -> None:
        self._places = [_Place(setting) for setting in settings]
        self._free: queue.LifoQueue[_Place] = queue.LifoQueue()
        for place in reversed(self._places):
            self._free.put(place)
        self._stopped = threading.Event()

    def messages(self, request: Request) -> Messages:
        place = self._free.get()
        try:
            worker = place.filled()
            if self._stopped.is_set():  # `stop` may have been called while the worker started
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
