"""Runs on a CUDA device: a plugin that breaks it fails its own trial, and workers alone use it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_cuda
from run.example import journals, of_kind
from suite.example import acquiring, write_suite

from .conftest import CommandLine

pytestmark = [pytest.mark.cuda, needs_cuda, pytest.mark.usefixtures("fakes_for_children")]


def statuses(folder: Path) -> list[str]:
    return sorted(line["status"] for lines in journals(folder / "runs").values() for line in of_kind(lines, "end"))


def breaking(cli: CommandLine) -> Path:
    """A suite of which one acquisition function triggers an assert on the device in its second round."""
    notes = cli.folder / "notes"
    notes.touch()
    return write_suite(
        cli.folder,
        model="flat",
        device="cuda",
        matrix=acquiring({"crashes": {"how": "assert", "notes": str(notes)}}, "uniform"),
    )


def test_an_assert_on_the_device_fails_its_trial_and_the_worker_is_replaced(cli: CommandLine) -> None:
    outcome = cli.alone("run", breaking(cli), "--executor", "processes", "--jobs", 1)
    assert outcome.exit_code == 1, outcome.output
    assert "Traceback" not in outcome.output
    assert statuses(cli.folder) == ["done", "failed"]
    (failed,) = [
        line
        for lines in journals(cli.folder / "runs").values()
        for line in of_kind(lines, "end")
        if line["status"] == "failed"
    ]
    assert "acquisition function 'crashes" in failed["error"]


def test_inline_the_run_ends_with_advice_and_the_same_command_continues(cli: CommandLine) -> None:
    suite = breaking(cli)
    outcome = cli.alone("run", suite)
    assert outcome.exit_code == 2, outcome.output
    assert "Traceback" not in outcome.output
    assert "has made cuda:0 unusable for this process" in outcome.output
    assert "--executor processes" in outcome.output
    assert statuses(cli.folder) == ["failed"]
    assert cli.alone("run", suite).exit_code == 1
    assert statuses(cli.folder) == ["done", "failed"]


def test_the_runner_does_not_initialise_cuda_if_workers_compute(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, model="flat", device="cuda", matrix=acquiring("uniform"))
    watched = (
        "import sys, torch; from softal_bench.cli import main\n"
        "if __name__ == '__main__':\n"
        "    try:\n        main(sys.argv[1:])\n"
        "    finally:\n        print('initialised:', torch.cuda.is_initialized())\n"
    )
    (cli.folder / "watched.py").write_text(watched)
    command: list[Any] = [sys.executable, "watched.py", "run", suite, "--executor", "processes", "--jobs", "1"]
    ended = subprocess.run(command, cwd=cli.folder, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "initialised: False" in ended.stdout
