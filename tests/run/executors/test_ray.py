"""Trials on a real Ray cluster of two nodes on this machine write the same journals, even if a node is lost."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from softal_bench.errors import ExecutorError
from softal_bench.journal.lines import Measurement, Status
from softal_bench.run.executors.ray import Ray
from softal_bench.run.jobs import Job

from ..conftest import Loader
from ..example import Recorder, journals, of_kind, run, settled

ray = pytest.importorskip("ray", reason="Ray is not installed; pip install 'softal-bench[ray]'")
pytestmark = pytest.mark.long
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
HEAD, OTHER = "127.0.0.2", "127.0.0.3"  # Ray replaces 127.0.0.1 by the machine's network address


@pytest.fixture(scope="module")
def cluster(fakes_folder: Path) -> Iterator[Any]:
    """Start a cluster whose first node has one core, on loopback, without a dashboard or usage statistics."""
    from ray.cluster_utils import Cluster

    short = tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)  # paths of sockets must be short
    with short as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(fakes_folder), *sys.path]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        started: Any = Cluster(
            initialize_head=True, head_node_args={**NODE, "node_ip_address": HEAD, "include_dashboard": False}
        )
        yield started
        started.shutdown()


@pytest.fixture
def second_node(cluster: Any) -> Iterator[Any]:
    """Add a second node like the first."""
    node = cluster.add_node(**NODE, node_ip_address=OTHER)
    cluster.wait_for_nodes()
    yield node
    if node in cluster.list_all_nodes():
        cluster.remove_node(node)


class Loses(Recorder):
    """An observer that has a node killed once both running trials have done two rounds."""

    def __init__(self, lose: Callable[[], None]) -> None:
        super().__init__()
        self._lose = lose
        self._lost = False
        self._rounds: dict[str, int] = {}

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        super().round_done(job, line)
        self._rounds[job.name] = self._rounds.get(job.name, 0) + 1
        if not self._lost and sum(rounds >= 2 for rounds in self._rounds.values()) == 2:
            self._lost = True
            self._lose()

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        super().trial_ended(job, status, error, ran)
        self._rounds.pop(job.name)


def test_a_suite_that_loses_a_node_ends_with_the_journals_of_an_inline_run(
    cluster: Any, second_node: Any, load_flat: Loader, tmp_path: Path
) -> None:
    suite = load_flat({"naps": {"seconds": 0.5}}, {"naps": {"seconds": 0.51}}, trials=2, budget=40)
    run(suite, tmp_path / "inline")
    recorder = Loses(lambda: cluster.remove_node(second_node, allow_graceful=False))
    assert run(suite, tmp_path / "ray", recorder, Ray(cluster.address, None, "cpu")) == {"done": 4}
    assert settled(tmp_path / "ray") == settled(tmp_path / "inline")
    ((name, how),) = recorder.died
    assert "Ray lost it" in how
    attempts = {lines[0]["key"]: of_kind(lines, "attempt") for lines in journals(tmp_path / "ray").values()}
    assert sorted(len(of_one) for of_one in attempts.values()) == [1, 1, 1, 2]
    assert (name, 0) in recorder.started
    assert max(rounds for started, rounds in recorder.started if started == name) >= 2


def test_a_plugin_crash_on_a_node_is_reported_as_on_one_machine(
    cluster: Any, load_flat: Loader, notes: Path, tmp_path: Path
) -> None:
    crashes = {"crashes": {"how": "segfault", "notes": str(notes)}}
    hangs = {"crashes": {"how": "hang", "labels": 20, "notes": str(notes)}}
    suite = load_flat(crashes, hangs, "always_raises", limits={"select_seconds": 0.5})
    assert run(suite, tmp_path / "runs", None, Ray(cluster.address, 2, "cpu")) == {"failed": 2, "timeout": 1}
    ends = [journals(tmp_path / "runs")[condition.key(0)][-1]["error"] for condition in suite.conditions]
    assert "its process was killed by SIGSEGV" in ends[0]
    assert ends[1] == "select took more than 0.5 s (limits.select_seconds)"
    assert ends[2].startswith("acquisition function 'always_raises' raised RuntimeError")


def test_an_interrupted_run_resumes(cluster: Any, load_flat: Loader, tmp_path: Path) -> None:
    suite = load_flat({"naps": {"seconds": 0.1}}, "uniform", budget=60)
    run(suite, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=3), Ray(cluster.address, 2, "cpu"))
    unfinished = [lines for lines in journals(tmp_path / "runs").values() if lines and lines[-1]["kind"] != "end"]
    assert all(lines[-1]["kind"] == "interrupt" for lines in unfinished)
    assert run(suite, tmp_path / "runs", None, Ray(cluster.address, 2, "cpu")) == {"done": 2}
    assert settled(tmp_path / "runs") == settled(tmp_path / "undisturbed")


def test_a_run_without_a_cluster_says_how_to_start_one(load_flat: Loader, tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match=r"no Ray cluster at '127.0.0.1:1'.*ray start --head"):
        run(load_flat("uniform"), tmp_path / "runs", None, Ray("127.0.0.1:1", None, "cpu"))
