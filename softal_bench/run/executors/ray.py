"""Trials on a Ray cluster.

Each attempt at a trial is a task, which keeps a worker process on its node and relays the worker's messages. A plugin
that crashes or hangs is therefore handled as on one machine, and Ray only has to report lost nodes. A trial whose node
is lost continues on another node, after the last round in its journal.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from softal_bench.errors import ExecutorError
from softal_bench.run.executors.contract import Crew, Messages, RemoteWork, Setting
from softal_bench.run.executors.messages import Death, Last, Refused, Request, WorkerSetting
from softal_bench.run.executors.process import relayed

_POLL_SECONDS = 1.0  # how often a task checks whether the run is interrupted


@dataclass(frozen=True)
class Ray:
    """Trials on a Ray cluster.

    Attributes:
        address: the address of the cluster: HOST:PORT, or "auto" for the cluster that this machine is part of.
        jobs: how many trials run at a time; if None, as many as the cluster has room for.
        device: where to compute on a node; "auto" is the GPU that Ray assigns to the trial, or else the CPU.
    """

    address: str
    jobs: int | None
    device: str

    @property
    def place(self) -> str:
        return f"the Ray cluster at {self.address}"

    @contextmanager
    def started(self, setting: Setting) -> Iterator[Crew]:
        ray = _imported()
        _connect(ray, self.address)
        try:
            tasks = _Tasks(ray, setting.for_worker(self.device, fetch=True), setting.requested())
            yield Crew(RemoteWork(tasks.messages, tasks.stop), self.jobs or tasks.room())
        finally:
            ray.shutdown()


class _Tasks:
    """A task for each attempt at a trial.

    Args:
        ray: the module.
        setting: the setting of the workers.
        requested: the resources that a trial requests, by Ray's names.
    """

    def __init__(self, ray: Any, setting: WorkerSetting, requested: dict[str, float]) -> None:
        self._ray = ray
        self._setting = setting
        self._requested = requested
        options = {"num_cpus": requested["CPU"], "num_gpus": requested["GPU"]}
        self._relay = ray.remote(num_returns="streaming", max_retries=0, **options)(relayed)
        self._stopped = threading.Event()

    def room(self) -> int:
        """Return how many trials the cluster has room for at a time."""
        available = self._ray.cluster_resources()
        room = [available.get(name, 0) / each for name, each in self._requested.items() if each]
        return max(1, int(min(room, default=1)))

    def messages(self, request: Request) -> Messages:
        task = self._relay.remote(self._setting, request)
        ended = False
        try:
            while not self._stopped.is_set():  # a signal does not interrupt threads
                ready, _ = self._ray.wait([task], timeout=_POLL_SECONDS)
                if ready:
                    message = self._ray.get(next(task))
                    ended = isinstance(message, Last)
                    yield message
            yield Death("the run is stopped", lost=True)
        except StopIteration:
            return
        except self._ray.exceptions.RayTaskError as error:
            yield Refused(f"a Ray node cannot run trials; is softal-bench installed there? {error}")
        except self._ray.exceptions.RayError as error:
            yield Death(f"Ray lost it: {' '.join(str(error).split())[:300]}", lost=True)
        finally:
            if not ended:
                self._cancel(task)

    def stop(self) -> None:
        self._stopped.set()

    def _cancel(self, task: Any) -> None:
        """Cancel a task whose messages are no longer read. Do nothing if it has ended."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.cancel(task, force=True)


def _connect(ray: Any, address: str) -> None:
    terminates = signal.getsignal(signal.SIGTERM)
    try:
        _require_reachable(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise ExecutorError(
            f"no Ray cluster at {address!r}: {error}; start one with `ray start --head`, or name another with "
            "--ray-address"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, terminates)  # Ray replaces the handler


def _require_reachable(address: str) -> None:
    """Raise OSError at once if nothing listens at the address; Ray would try to connect for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _imported() -> Any:
    os.environ.setdefault(
        "RAY_NUM_REDIS_GET_RETRIES", "1"
    )  # each attempt to reach a cluster that has gone takes half a minute
    try:
        import ray
    except ImportError as error:
        raise ExecutorError("--executor ray needs Ray; install it with: pip install 'softal-bench[ray]'") from error
    return ray
