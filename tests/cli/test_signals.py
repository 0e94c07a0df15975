"""Ctrl-C and SIGTERM end a run with a message, and the same command continues it."""

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from run.example import journals, of_kind, settled
from suite.example import acquiring, write_suite

from .conftest import CommandLine

WAIT = 120  # seconds; an idle machine takes 5


def rounds_in(runs: Path) -> int:
    return sum(path.read_bytes().count(b'"kind": "round"') for path in (runs / "tiny").glob("*.jsonl"))


def stop(process: subprocess.Popen[str], runs: Path, rounds: int, signal_number: int) -> tuple[int, str]:
    """Send the signal once the journals have this many rounds; return the exit code and the output."""
    until = time.monotonic() + WAIT
    while rounds_in(runs) < rounds:
        assert process.poll() is None, "it ended before it was stopped; make the suite longer"
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(signal_number)
    output, _ = process.communicate(timeout=WAIT)
    return process.returncode, output


@pytest.mark.slow
def test_a_stopped_run_reports_it_and_the_same_command_completes_the_journals(cli: CommandLine) -> None:
    suite = write_suite(
        cli.folder,
        matrix=acquiring("uniform", "power"),
        budget=80,
        training={"epoch_draws": 2048, "max_epochs": 2, "evaluation_samples": 2},
    )
    runs = cli.folder / "runs"
    goes_on = "all complete rounds are kept. To continue, run the same command"

    status, output = stop(cli.start("run", suite), runs, 2, signal.SIGINT)
    assert (status, f"interrupted; {goes_on}" in output, "Traceback" in output) == (130, True, False), output
    assert not (cli.folder / "leaderboard").exists()

    first = {path: path.read_bytes() for path in (runs / "tiny").glob("*.jsonl")}
    status, output = stop(cli.start("run", suite), runs, rounds_in(runs) + 2, signal.SIGTERM)
    assert (status, f"terminated; {goes_on}" in output, "Traceback" in output) == (143, True, False), output
    assert "continues after" in output
    for path, before in first.items():
        assert path.read_bytes().startswith(before)

    assert cli("run", suite).exit_code == 0
    lines = [line for journal in journals(runs).values() for line in journal]
    assert len(of_kind(lines, "interrupt")) == 2
    assert len(of_kind(lines, "attempt")) == 4
    cli("run", suite, "--runs", "undisturbed")
    assert settled(runs) == settled(cli.folder / "undisturbed")


def test_an_interrupt_before_the_first_trial_is_reported(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("softal_bench.suite.safe_yaml.parse", interrupted)
    outcome = cli("run", write_suite(cli.folder))
    assert outcome.exit_code == 130
    assert "interrupted" in outcome.output


def test_a_closed_pipe_causes_no_traceback(cli: CommandLine) -> None:
    command = f"{shlex.quote(sys.executable)} -m softal_bench list --json 2> errors | true"
    subprocess.run(["bash", "-c", command], cwd=cli.folder, check=True, timeout=WAIT)
    assert (cli.folder / "errors").read_text() == ""
