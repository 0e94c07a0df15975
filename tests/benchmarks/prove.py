"""Prove the gate on this machine: `python tests/benchmarks/prove.py [TESTS...] [--runs 10]` (`make bench-prove`).

Unchanged code must pass this many times in a row, and again while another process keeps a core busy; a planted
slow-down must fail each benchmark, and only that one. The exit code is 1 if anything is otherwise.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from softal_bench.conformance.timing.measure import PLANT_FACTOR
from softal_bench.conformance.timing.renew import run_benchmarks

NOT_PASSED = ("slower", "no baseline")
FOLDER = Path(__file__).parent


@click.command()
@click.argument("tests", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--runs", type=click.IntRange(min=1), default=10, show_default=True, help="how many have to pass in a row"
)
def prove(tests: tuple[Path, ...], runs: int) -> None:
    """Run the gate on unchanged code, next to a busy core, and with each benchmark slowed down."""
    tests = tests or (FOLDER,)
    wrong = 0
    for number in range(1, runs + 1):
        wrong += not tell(f"unchanged, run {number} of {runs}", failed_benchmarks(tests), expected=set())
    with busy_core():
        for number in range(1, runs + 1):
            wrong += not tell(
                f"unchanged, a core busy, run {number} of {runs}", failed_benchmarks(tests), expected=set()
            )
    for name in sorted(found["name"] for found in run_benchmarks(tests, "show")):
        wrong += not tell(f"{name} {PLANT_FACTOR} times slower", failed_benchmarks(tests, name), expected={name})
    click.echo(f"{wrong} wrong" if wrong else "all as it should be")
    sys.exit(wrong > 0)


def tell(what: str, failed: set[str], expected: set[str]) -> bool:
    """Print and return whether exactly the expected benchmarks failed."""
    right = failed == expected
    click.echo(
        f"{time.strftime('%H:%M:%S')} {'right' if right else 'WRONG'}: {what}: failed {sorted(failed) or 'none'}"
    )
    return right


def failed_benchmarks(tests: tuple[Path, ...], planted: str | None = None) -> set[str]:
    """Return the benchmarks that a run of the gate finds slower or without a baseline."""
    return {found["name"] for found in run_benchmarks(tests, "require", planted) if found["verdict"] in NOT_PASSED}


@contextmanager
def busy_core() -> Iterator[None]:
    """Run another process that keeps a core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    prove()
