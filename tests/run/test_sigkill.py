"""A run that is killed with SIGKILL and run again leaves the journals of one that was never killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from suite.example import acquiring, write_suite

from softal_bench.run.trials import trial_jobs
from softal_bench.suite import load_suite

from .conftest import Loader
from .example import journals, of_kind, run, settled

WAIT = 120  # seconds; an idle machine takes 5


def start(suite: Path, runs: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "softal_bench", "run", str(suite), "--runs", str(runs), "--quiet"]
    command += ["--leaderboard", str(runs.parent / "pages")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rounds_in(runs: Path) -> int:
    """Return the number of complete or torn round lines in all journals."""
    return sum(path.read_bytes().count(b'"kind": "round"') for path in (runs / "tiny").glob("*.jsonl"))


def kill_after(process: subprocess.Popen[str], runs: Path, rounds: int) -> None:
    """Kill a run once its journals have this many rounds."""
    until = time.monotonic() + WAIT
    while rounds_in(runs) < rounds:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def complete_lines(path: Path) -> bytes:
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1]


@pytest.mark.slow
def test_a_run_killed_several_times_ends_with_the_same_journals(tmp_path: Path) -> None:
    path = write_suite(
        tmp_path,
        matrix=acquiring("power", {"batchbald": {"joint_samples": 40}}),
        dataset={"repeated": {"of": "digits"}},
        budget=60,
        training={"epoch_draws": 2048, "max_epochs": 2, "evaluation_samples": 2},
    )
    runs = tmp_path / "runs"
    earlier: dict[Path, bytes] = {}
    for _ in range(3):
        # Each attempt completes at least one round, so that no trial dies twice in the same round.
        kill_after(start(path, runs), runs, rounds_in(runs) + 3)
        for journal, before in earlier.items():
            assert journal.read_bytes().startswith(before)
        earlier = {journal: complete_lines(journal) for journal in (runs / "tiny").glob("*.jsonl")}
    suite = load_suite(path)
    assert run(suite, runs) == {"done": 2}
    for journal, before in earlier.items():
        assert journal.read_bytes().startswith(before)
    attempts = [len(of_kind(lines, "attempt")) for lines in journals(runs).values()]
    assert sum(attempts) == len(attempts) + 3
    run(suite, tmp_path / "undisturbed")
    assert settled(runs) == settled(tmp_path / "undisturbed")
    assert {len(of_kind(lines, "round")) for lines in settled(runs).values()} == {11}


def test_a_trial_killed_before_its_first_line_starts_again(load: Loader, tmp_path: Path) -> None:
    suite = load(matrix=acquiring("uniform"))
    (job,) = trial_jobs(suite, tmp_path / "runs")
    code = (
        "import os, signal, sys; from pathlib import Path; from softal_bench.journal import file as journal\n"
        "path = Path(sys.argv[1])\n"
        "with journal.locked(path):\n"
        "    journal.JournalWriter(path); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(job.path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert job.path.read_bytes() == b""  # and a lock file that nobody holds
    assert run(suite, tmp_path / "runs") == {"done": 1}
    assert [line["kind"] for line in journals(tmp_path / "runs")[job.key]][:2] == ["header", "attempt"]
