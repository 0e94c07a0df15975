"""Runs on a CUDA device: a plugin that breaks the device fails its own trial."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import needs_cuda
from run.example import journals, of_kind
from suite.example import acquiring, write_suite

from .conftest import CommandLine

pytestmark = [pytest.mark.cuda, needs_cuda, pytest.mark.usefixtures("fakes_for_children")]


def statuses(folder: Path) -> list[str]:
    return sorted(line["status"] for lines in journals(folder / "runs").values() for line in of_kind(lines, "end"))


def breaking(cli: CommandLine) -> Path:
    """Write a suite with an acquisition function that triggers an assert on the device in its second round."""
    notes = cli.folder / "notes"
    notes.touch()
    return write_suite(
        cli.folder,
        model="flat",
        device="cuda",
        matrix=acquiring({"crashes": {"how": "assert", "notes": str(notes)}}, "uniform"),
    )


def test_a_runner_with_workers_does_not_occupy_the_device(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, model="flat", device="cuda", matrix=acquiring("uniform"))
    program = (
        "import sys, torch\nfrom softal_bench.cli import main\n"
        "try: main(sys.argv[1:])\nfinally: print('occupied' if torch.cuda.is_initialized() else 'free')"
    )
    arguments = ["run", suite, "--runs", cli.folder / "runs", "--executor", "processes", "--jobs", "1"]
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert statuses(cli.folder) == ["done"]
    assert done.stdout.splitlines()[-1] == "free"


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


def test_an_inline_run_ends_with_advice_and_can_be_continued(cli: CommandLine) -> None:
    suite = breaking(cli)
    outcome = cli.alone("run", suite)
    assert outcome.exit_code == 2, outcome.output
    assert "Traceback" not in outcome.output
    assert "has made cuda:0 unusable for this process" in outcome.output
    assert "--executor processes" in outcome.output
    assert statuses(cli.folder) == ["failed"]
    assert cli.alone("run", suite).exit_code == 1
    assert statuses(cli.folder) == ["done", "failed"]
