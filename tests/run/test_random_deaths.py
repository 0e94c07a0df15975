"""A runner or worker killed at random moments loses no round, and the next run ends like one that was never killed."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from effort import EFFORT
from suite.example import acquiring, write_suite

from softal_bench.suite import load_suite

from .example import run, settled

WAIT = 60  # seconds; what tests wait for takes a tenth of a second
Nursery = Callable[..., int]


@pytest.fixture(scope="module")
def nursery(fakes_folder: Path) -> Iterator[Nursery]:
    """Return a function that forks a runner and returns its process number; see `nursery.py`."""
    path = os.pathsep.join([str(fakes_folder), *sys.path])
    forks = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("nursery.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert forks.stdin is not None
    assert forks.stdout is not None

    def fork(suite: Path, runs: Path, workers: int, kill_after: float | None = None) -> int:
        assert forks.stdin is not None
        assert forks.stdout is not None
        runs.mkdir(parents=True)
        request = {"suite": str(suite), "runs": str(runs), "workers": workers, "kill_after": kill_after}
        forks.stdin.write(json.dumps(request) + "\n")
        forks.stdin.flush()
        return int(forks.stdout.readline())

    yield fork
    forks.stdin.close()
    forks.wait(WAIT)
    forks.stdout.close()


@pytest.fixture
def suite(tmp_path: Path, fakes: None) -> Path:
    """Write a suite with four trials of eleven rounds and a model that learns nothing."""
    generator = np.random.default_rng(0)
    images, labels = generator.random((120, 8, 8), dtype=np.float32), np.arange(120) % 4
    data = tmp_path / "data.npz"
    np.savez(data, train_images=images, train_labels=labels, test_images=images[:20], test_labels=labels[:20])
    return write_suite(
        tmp_path,
        model="flat",
        matrix=acquiring("uniform", "bald"),
        dataset={"arrays": {"path": str(data)}},
        budget=60,
        trials=2,
    )


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def is_gone(group: int) -> bool:
    """Return whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def seconds_of(nursery: Nursery, suite: Path, runs: Path, workers: int) -> float:
    """Return the duration of a run that is not killed."""
    nursery(suite, runs, workers)
    until((runs / "begun").exists)
    begun = time.monotonic()
    until((runs / "ended").exists)
    return time.monotonic() - begun


def complete_lines(runs: Path) -> dict[Path, bytes]:
    found = {path: path.read_bytes() for path in (runs / "tiny").glob("*.jsonl")}
    return {path: data[: data.rfind(b"\n") + 1] for path, data in found.items()}


@pytest.mark.long
@pytest.mark.parametrize(("workers", "moments"), [(0, 60 * EFFORT), (2, 40 * EFFORT)], ids=["inline", "processes"])
def test_a_runner_killed_at_any_moment_loses_no_round(
    nursery: Nursery, suite: Path, tmp_path: Path, workers: int, moments: int
) -> None:
    undisturbed = tmp_path / "undisturbed"
    seconds = min(seconds_of(nursery, suite, folder, workers) for folder in (tmp_path / "first", undisturbed))
    chance, cut_short = random.Random(0), 0
    for moment in range(moments):
        runs = tmp_path / f"runs{moment}"
        child = nursery(suite, runs, workers)
        until((runs / "begun").exists)
        time.sleep(chance.uniform(0, seconds))
        with contextlib.suppress(ProcessLookupError):  # the runner has ended already
            os.kill(child, signal.SIGKILL)
        until(lambda group=child: is_gone(group))  # type: ignore[misc]
        before = complete_lines(runs)
        cut_short += not (runs / "ended").exists()
        assert run(load_suite(suite), runs) == {"done": 4}
        assert settled(runs) == settled(undisturbed)
        for path, lines in before.items():
            assert path.read_bytes().startswith(lines)
    assert cut_short > moments / 2


@pytest.mark.long
def test_a_worker_killed_at_any_moment_loses_no_round(nursery: Nursery, suite: Path, tmp_path: Path) -> None:
    run(load_suite(suite), tmp_path / "undisturbed")
    chance, deaths = random.Random(0), 0
    for moment in range(60 * EFFORT):
        runs = tmp_path / f"runs{moment}"
        child = nursery(suite, runs, 2, chance.uniform(0, 0.1))
        until(lambda group=child: is_gone(group))  # type: ignore[misc]
        ended = json.loads((runs / "ended").read_text())
        assert ended["statuses"] == {"done": 4}
        deaths += ended["deaths"]
        assert settled(runs) == settled(tmp_path / "undisturbed")
    assert deaths > 15 * EFFORT
