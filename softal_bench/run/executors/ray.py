"""Trials on a Ray cluster.

A trial is a task, which keeps a worker process of its own on its node and relays what that tells. So a plugin that
crashes or hangs is dealt with there as on one machine, and Ray has to tell of nothing but lost nodes. A trial whose
node is lost goes on elsewhere, after the last round that the journal here has.
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
from softal_bench.run.executors.contract import Crew, Setting
from softal_bench.run.executors.process import LAST, Request
from softal_bench.run.executors.relay import relayed
from softal_bench.run.executors.remote import Messages, RemoteWork

_POLL_SECONDS = 1.0  # how often an interrupted run is noticed


@dataclass(frozen=True)
class Ray:
    """Trials on a Ray cluster.

    Attributes:
        address: of the cluster: "auto" for the one that this machine is part of, or HOST:PORT.
        jobs: how many trials at a time; if None as many as the cluster has room for.
        device: where to compute on a node; "auto" is the GPU that Ray gives the trial, else the CPU.
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
            tasks = _Tasks(ray, setting.plain(self.device, fetch=True), setting.asked_for())
            yield Crew(RemoteWork(tasks.messages, tasks.stop), self.jobs or tasks.room())
        finally:
            ray.shutdown()


class _Tasks:
    """A task for each attempt at a trial.

    Args:
        ray: the module.
        setting: see `Setting.plain`.
        asked_for: what a trial asks for, by Ray's names.
    """

    def __init__(self, ray: Any, setting: dict[str, Any], asked_for: dict[str, float]) -> None:
        self._ray = ray
        self._setting = setting
        self._asked_for = asked_for
        options = {"num_cpus": asked_for["CPU"], "num_gpus": asked_for["GPU"]}
        self._relay = ray.remote(num_returns="streaming", max_retries=0, **options)(relayed)
        self._stopped = threading.Event()

    def room(self) -> int:
        """How many trials the cluster has room for at a time."""
        there = self._ray.cluster_resources()
        room = [there.get(name, 0) / wanted for name, wanted in self._asked_for.items() if wanted]
        return max(1, int(min(room, default=1)))

    def messages(self, request: Request) -> Messages:
        task = self._relay.remote(self._setting, request)
        ended = False
        try:
            while not self._stopped.is_set():  # threads are not interrupted
                ready, _ = self._ray.wait([task], timeout=_POLL_SECONDS)
                if ready:
                    message = self._ray.get(next(task))
                    ended = message[0] in LAST
                    yield message
            yield ["died", "the run is stopped", True]
        except StopIteration:
            return
        except self._ray.exceptions.RayTaskError as error:
            yield ["refused", f"a Ray node cannot run trials; is softal-bench installed there? {error}"]
        except self._ray.exceptions.RayError as error:
            yield ["died", f"Ray lost it: {' '.join(str(error).split())[:300]}", True]
        finally:
            if not ended:
                self._cancel(task)

    def stop(self) -> None:
        self._stopped.set()

    def _cancel(self, task: Any) -> None:
        """End a task that nobody follows any more; one that has ended stays as it is."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.cancel(task, force=True)


def _connect(ray: Any, address: str) -> None:
    terminates = signal.getsignal(signal.SIGTERM)
    try:
        _require_reachable(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise ExecutorError(
            f"no Ray cluster at {address!r}: {error}; start one with `ray start --head`, or give its --ray-address"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, terminates)  # Ray takes it for itself


def _require_reachable(address: str) -> None:
    """Raise OSError if nobody listens there, which Ray would try again and again for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _imported() -> Any:
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # of half a minute each, for a cluster that is gone
    try:
        import ray
    except ImportError as error:
        raise ExecutorError("--executor ray needs Ray; install it with: pip install 'softal-bench[ray]'") from error
    return ray
