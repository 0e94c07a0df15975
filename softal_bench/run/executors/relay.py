"""What a task on a node does. It imports no torch: its worker process does."""

from collections.abc import Iterator
from typing import Any

from softal_bench.machine.spinning import bound_spinning
from softal_bench.run.executors.process import Message, Request, WorkerProcess

_workers: list[WorkerProcess] = []  # at most one, kept for the next task that Ray gives to this process


def relayed(setting: dict[str, Any], request: Request) -> Iterator[Message]:
    """Yield what a worker process on this node tells of a trial."""
    if not (_workers and _workers[0].is_usable):
        bound_spinning()  # a node has an environment of its own
        _workers[:] = [WorkerProcess(setting)]
    yield from _workers[0].messages(request)
