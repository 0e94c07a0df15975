"""What a task on a Ray node does before its worker process starts."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from softal_bench.machine.spinning import SPIN_COUNT
from softal_bench.run.executors import process
from softal_bench.run.executors.messages import Message, Originated, Request, WorkerSetting

SETTING = WorkerSetting("data", "cpu", {}, fetch=False, threads=1)


class NotedWorker:
    """A substitute for a worker process, which reports the spin count that it would inherit."""

    is_usable = True

    def __init__(self, setting: WorkerSetting) -> None:
        self.inherited = os.environ.get("GOMP_SPINCOUNT")

    def messages(self, request: Request) -> Iterator[Message]:
        yield Originated({"inherited": self.inherited})


@pytest.mark.parametrize(("chosen", "inherited"), [(None, SPIN_COUNT), ("777", "777")])
def test_a_worker_on_a_node_inherits_the_bound_on_spinning(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, inherited: str
) -> None:
    monkeypatch.setattr(process, "_kept", [])
    monkeypatch.setattr(process, "WorkerProcess", NotedWorker)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", chosen or "")  # set, so that it is restored; empty means not chosen
    request = Request({}, 0, "key", [])
    assert list(process.relayed(SETTING, request)) == [Originated({"inherited": inherited})]


def test_a_relay_does_not_import_torch() -> None:
    check = "import sys, softal_bench.run.executors.process; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
