"""A worker process as its runner sees it. This module imports no torch, so that a relay to it is light.

Request and messages are JSON, so that nothing that a worker sends is unpickled. A message is a list, first its kind:

    ["origin", {"plugins": ..., "versions": ..., "environment": ...}]   first
    ["ready", start indices, provenance]                the trial is taken up
    ["line", round]                                     again and again
    ["within", seconds or None, words]                  what comes next has a time limit, or none any more
    ["done"]                                            last, as are those below
    ["ended", status, message, details]                 the trial ended otherwise
    ["unreadable", message]                             the trial cannot have written its journal
    ["refused", message], ["raised", traceback]         the run cannot go on
    ["died", how, lost]                                 told by whoever watches: the process is gone
"""

import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from softal_bench.machine.threads import environment_for

Message = list[Any]
Request = dict[str, Any]
LAST = ("done", "ended", "unreadable", "refused", "raised", "died")

start_method = "forkserver"
grace_seconds = 30.0  # how long a worker may take to end by itself what is over its limit
_JOIN_SECONDS = 5.0  # for a process that has closed its connection to be gone
_CHILDREN = threading.Lock()  # in each start, multiprocessing takes the exit codes of all children, each once
_SERVER = "softal_bench.run.executors.worker"


class WorkerProcess:
    """A process that computes trials, one after another.

    It is a fork of a server that has imported torch but computed nothing, so its start is cheap and CUDA can be used.

    Args:
        setting: see `Setting.plain`.

    Attributes:
        is_usable: whether it can be sent a trial.
    """

    def __init__(self, setting: dict[str, Any]) -> None:
        multiprocessing.set_forkserver_preload([_SERVER])
        context: Any = multiprocessing.get_context(start_method)
        ours, theirs = context.Pipe()
        self._connection: Connection = ours
        self._process = context.Process(target=_serve, args=(theirs, setting), daemon=True)
        with _CHILDREN, environment_for(setting["threads"]):  # for libraries that the server of forks loads
            self._process.start()
        theirs.close()
        self.is_usable = True

    @property
    def pid(self) -> int:
        """Its process number."""
        return int(self._process.pid)

    def messages(self, request: Request) -> Iterator[Message]:
        """Have a trial computed, and yield what is told of it, the last of `LAST`; if not read to the end, kill it."""
        finished = False
        try:
            for message in self._told(request):
                finished = message[0] in LAST and message[0] != "died"
                yield message
        finally:
            if not finished:
                self.kill()

    def kill(self) -> None:
        """End it at once; whoever reads its messages sees that it died."""
        self.is_usable = False
        self._process.kill()

    def close(self) -> None:
        """End it at once, once nobody reads its messages any more."""
        self.kill()
        with _CHILDREN:
            self._process.join()
        self._connection.close()

    def _told(self, request: Request) -> Iterator[Message]:
        deadline, over = None, ""
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            while True:
                message = self._next(deadline)
                if message is None:
                    self.kill()
                    yield ["ended", "timeout", f"{over}; it did not end by itself, and was killed", None]
                    return
                if message[0] == "within":
                    seconds, over = message[1:]
                    deadline = None if seconds is None else time.monotonic() + seconds + grace_seconds
                    continue
                yield message
                if message[0] in LAST:
                    return
        except (EOFError, OSError, ValueError):  # ValueError: what came is no message
            yield ["died", self._how_it_died(), False]

    def _next(self, deadline: float | None) -> Message | None:
        """The next message, or None if it has not come by the deadline. EOFError if none will come."""
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = wait([self._connection, self._process.sentinel], timeout)
        if not ready:
            return None
        if self._connection not in ready and not self._connection.poll():
            raise EOFError  # the process is gone, though somebody else may have its end of the connection
        message = json.loads(self._connection.recv_bytes())
        if not isinstance(message, list):
            raise ValueError
        return message

    def _how_it_died(self) -> str:
        with _CHILDREN:
            self._process.join(_JOIN_SECONDS)
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        memory = ", as systems do that run out of memory, or somebody else; the two cannot be told apart"
        return f"its process was killed by {name}{memory if name == 'SIGKILL' else ''}"


def _serve(connection: Connection, setting: dict[str, Any]) -> None:
    from softal_bench.run.executors.worker import serve

    serve(connection, setting)
