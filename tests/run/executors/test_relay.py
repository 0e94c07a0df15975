"""What a task on a Ray node does before its worker process starts."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from softal_bench.machine.spinning import SPIN_COUNT
from softal_bench.run.executors import relay


class NotedWorker:
    """Stands in for a worker process: it answers with the spin count that it would inherit."""

    is_usable = True

    def __init__(self, setting: dict[str, Any]) -> None:
        self.inherited = os.environ.get("GOMP_SPINCOUNT")

    def messages(self, request: dict[str, Any]) -> Iterator[list[Any]]:
        yield ["done", self.inherited]


@pytest.mark.parametrize(("chosen", "inherited"), [(None, SPIN_COUNT), ("777", "777")])
def test_a_worker_on_a_node_inherits_the_bound_on_spinning(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, inherited: str
) -> None:
    monkeypatch.setattr(relay, "_workers", [])
    monkeypatch.setattr(relay, "WorkerProcess", NotedWorker)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", chosen or "")  # set, so that it is restored; empty, it is not chosen
    assert list(relay.relayed({}, {})) == [["done", inherited]]
