"""The supervisor's side of a worker process. This module does not import torch, so that a relay starts fast."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from softal_bench.machine.spinning import bound_spinning
from softal_bench.machine.threads import environment_for
from softal_bench.run.executors.messages import Deadline, Death, Failed, Last, Message, Request, WorkerSetting

start_method = "forkserver"
grace_seconds = 30.0  # how long a worker may take to end a call by itself after its deadline
_JOIN_SECONDS = 5.0  # how long a process may take to end after it has closed its connection
_CHILDREN = threading.Lock()  # each start in multiprocessing collects the exit codes of all children, each only once
_SERVER = "softal_bench.run.executors.worker"


class WorkerProcess:
    """A process that computes trials, one after another.

    It is a fork of a server that has imported torch but computed nothing, so it starts quickly and can use CUDA.

    Args:
        setting: the settings that the worker receives when it starts.

    Attributes:
        is_usable: whether it can be sent a trial.
    """

    def __init__(self, setting: WorkerSetting) -> None:
        multiprocessing.set_forkserver_preload([_SERVER])
        context: Any = multiprocessing.get_context(start_method)
        ours, theirs = context.Pipe()
        self._connection: Connection = ours
        self._process = context.Process(target=_serve, args=(theirs, setting), daemon=True)
        with _CHILDREN, environment_for(setting.threads):  # for libraries that the server of forks loads
            self._process.start()
        theirs.close()
        self.is_usable = True

    @property
    def pid(self) -> int:
        """The process number."""
        return int(self._process.pid)

    def messages(self, request: Request) -> Iterator[Message]:
        """Request a trial and yield its messages, up to a `Last` one. Kill the process if they are not all read."""
        finished = False
        try:
            for message in self._answers(request):
                lost = isinstance(message, Death) or (isinstance(message, Failed) and message.worker_is_lost)
                finished = isinstance(message, Last) and not lost
                yield message
        finally:
            if not finished:
                self.kill()

    def kill(self) -> None:
        """Kill the process; its messages then end with `Death`."""
        self.is_usable = False
        self._process.kill()

    def close(self) -> None:
        """Kill the process and release its resources, once its messages are no longer read."""
        self.kill()
        with _CHILDREN:
            self._process.join()
        self._connection.close()

    def _answers(self, request: Request) -> Iterator[Message]:
        deadline, limit = None, ""
        try:
            self._connection.send_bytes(request.to_json())
            while True:
                message = self._next(deadline)
                if message is None:
                    self.kill()
                    yield Failed("timeout", f"{limit}; it did not end by itself, and was killed", None)
                    return
                if isinstance(message, Deadline):
                    limit = message.text
                    deadline = None if message.seconds is None else time.monotonic() + message.seconds + grace_seconds
                    continue
                yield message
                if isinstance(message, Last):
                    return
        except (EOFError, OSError, ValueError):  # ValueError: the worker sent something that is not a message
            yield Death(self._how_it_died(), lost=False)

    def _next(self, deadline: float | None) -> Message | None:
        """Return the next message, or None if it has not arrived by the deadline.

        Raises:
            EOFError: if the process is gone and no message is left.
        """
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = wait([self._connection, self._process.sentinel], timeout)
        if not ready:
            return None
        if self._connection not in ready and not self._connection.poll():
            raise EOFError  # the process is gone, even if another process holds its end of the connection
        return Message.from_json(self._connection.recv_bytes())

    def _how_it_died(self) -> str:
        with _CHILDREN:
            self._process.join(_JOIN_SECONDS)
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        why = ", either by the system because memory ran out or by a user; the exit code does not show which"
        return f"its process was killed by {name}{why if name == 'SIGKILL' else ''}"


def _serve(connection: Connection, setting: WorkerSetting) -> None:
    from softal_bench.run.executors.worker import serve  # it imports torch, which only the worker process needs

    serve(connection, setting)


_kept: list[WorkerProcess] = []  # at most one worker, kept for the next task that Ray assigns to this process


def relayed(setting: WorkerSetting, request: Request) -> Iterator[Message]:
    """Yield the messages of a trial from a worker process on this node. This is the body of a task on a Ray cluster."""
    if not (_kept and _kept[0].is_usable):
        bound_spinning()  # a node has an environment of its own
        _kept[:] = [WorkerProcess(setting)]
    yield from _kept[0].messages(request)
