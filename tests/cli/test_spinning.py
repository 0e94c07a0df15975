"""OpenMP itself reports, when it is loaded, how long its threads spin in the processes of a command."""

import re
import sys

import pytest
from suite.example import write_suite

from softal_bench.machine.spinning import SPIN_COUNT

from .conftest import CommandLine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PyTorch uses GNU OpenMP on Linux alone")
COST = """
kind: cost
name: tiny
pool_size: 20
measurement: {max_samples: 2, max_seconds: 0.05}
matrix: {batch_size: [1], acquisition: [uniform]}
"""


@pytest.fixture(autouse=True)
def _reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let OpenMP print its settings in each process that loads it; unset the settings that a user may have chosen."""
    monkeypatch.setenv("OMP_DISPLAY_ENV", "verbose")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)


def spin_counts(output: str) -> list[str]:
    """Return the spin count that each load of OpenMP reports. A forked process reports none: it has its server's."""
    return re.findall(r"GOMP_SPINCOUNT = '(\w+)'", output)


def test_a_command_bounds_spinning_before_openmp_is_loaded(cli: CommandLine) -> None:
    outcome = cli.alone("check", "uniform")
    assert outcome.exit_code == 0, outcome.output
    assert set(spin_counts(outcome.output)) == {SPIN_COUNT}


@pytest.mark.parametrize(("variable", "value"), [("GOMP_SPINCOUNT", "777"), ("OMP_WAIT_POLICY", "active")])
def test_the_user_s_setting_is_kept(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    outcome = cli.alone("check", "uniform")
    counts = spin_counts(outcome.output)
    assert counts
    assert SPIN_COUNT not in counts
    assert variable != "GOMP_SPINCOUNT" or set(counts) == {value}


@pytest.mark.slow
def test_workers_inherit_the_bound(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    inline = cli.alone("run", suite, "--quiet", "--runs", "inline")
    workers = cli.alone("run", suite, "--quiet", "--executor", "processes", "--jobs", 1)
    assert inline.exit_code == workers.exit_code == 0, workers.output
    assert set(spin_counts(workers.output)) == {SPIN_COUNT}
    assert len(spin_counts(workers.output)) > len(spin_counts(inline.output)), "the server of workers loads it too"


@pytest.mark.slow
def test_processes_that_measure_costs_inherit_the_bound(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, COST)
    planned = cli.alone("run", suite, "--quiet", "--dry-run")
    measured = cli.alone("run", suite, "--quiet")
    assert planned.exit_code == measured.exit_code == 0, measured.output
    assert set(spin_counts(measured.output)) == {SPIN_COUNT}
    assert len(spin_counts(measured.output)) > len(spin_counts(planned.output))
