"""Renewing baselines: run the gate several times, each in a new process, and write the ratios as the new baseline."""

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

import click

from softal_bench.conformance.timing.baseline import MIN_RUNS, BaselineError, cpu_kind, read_baseline, write_baseline
from softal_bench.conformance.timing.measure import PLANT_VARIABLE, planted

_COMPLETED = (0, 1)  # pytest's exit codes if the tests ran and all passed (0) or some failed (1)

Ratios = dict[Path, dict[str, list[float]]]  # the ratios of all runs, by baseline file and benchmark


class GateResult(TypedDict):
    """The report of one benchmark in one run."""

    name: str
    ratio: float
    verdict: str
    baseline: str


def run_benchmarks(
    tests: Sequence[Path], gate: Literal["show", "require"], plant: str | None = None
) -> list[GateResult]:
    """Run the benchmarks in `tests` with `--gate` in a new process. Plant a slow-down in the benchmark `plant`, if any.

    Raises:
        BaselineError: if the benchmarks cannot be measured, or a test fails although `gate` is "show".
    """
    environment = {name: value for name, value in os.environ.items() if name != PLANT_VARIABLE}
    if plant:
        environment[PLANT_VARIABLE] = plant
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        arguments = [f"--gate={gate}", "--benchmark-only", f"--benchmark-json={report}", "-q", *map(str, tests)]
        command = [sys.executable, "-m", "pytest", *arguments]
        completed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        text = report.read_text(encoding="utf-8") if report.exists() else ""
    results: list[GateResult] = [row["extra_info"]["gate"] for row in json.loads(text)["benchmarks"]] if text else []
    if not results or completed.returncode not in (_COMPLETED if gate == "require" else (0,)):
        raise BaselineError(
            f"the benchmarks cannot be measured; first make these tests pass:\n{completed.stdout}{completed.stderr}"
        )
    return results


@click.command()
@click.argument("tests", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--runs", type=click.IntRange(min=MIN_RUNS), default=7, show_default=True, help="How many times to measure."
)
def renew(tests: tuple[Path, ...], runs: int) -> None:
    """Measure the benchmarks in TESTS several times and write their ratios as the new baseline.

    Run this for code that is known to be good, on a quiet machine. Each measurement runs in a new process. Entries for
    other kinds of CPU are kept.
    """
    if planted():
        raise click.UsageError(f"{PLANT_VARIABLE} is set, so the baseline would contain a planted slow-down; unset it")
    ratios: Ratios = defaultdict(lambda: defaultdict(list))
    try:
        for number in range(1, runs + 1):
            click.echo(f"run {number} of {runs}", err=True)
            for result in run_benchmarks(tests, "show"):
                ratios[Path(result["baseline"])][result["name"]].append(result["ratio"])
        for path, measured in ratios.items():
            write_baseline(path, cpu_kind(), measured)
            _report(path, measured)
    except BaselineError as error:
        raise click.ClickException(str(error)) from error


def _report(path: Path, names: dict[str, list[float]]) -> None:
    click.echo(f"{path}, {cpu_kind()}")
    for name in names:
        baseline = read_baseline(path, cpu_kind(), name)
        assert baseline is not None
        noisy = (
            "; too noisy to detect a slow-down: make the work longer or the machine quieter" if baseline.noisy else ""
        )
        click.echo(
            f"  {name:<28} ratio {baseline.ratio:.3f}, spread {baseline.spread:.2f} times, "
            f"tolerance {baseline.tolerance:.2f} times{noisy}"
        )
