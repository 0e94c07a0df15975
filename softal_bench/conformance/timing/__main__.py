"""`python -m softal_bench.conformance.timing FOLDER`: renew the baseline of the benchmarks in a folder."""

from collections import defaultdict
from pathlib import Path

import click

from softal_bench.conformance.timing import plant
from softal_bench.conformance.timing.apart import run_apart
from softal_bench.conformance.timing.baseline import FEWEST_RUNS, BaselineError, cpu_kind, recall, remember

Ratios = dict[Path, dict[str, list[float]]]  # by baseline and benchmark, one a run


@click.command()
@click.argument("tests", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--runs", type=click.IntRange(min=FEWEST_RUNS), default=7, show_default=True, help="how often to measure")
def renew(tests: tuple[Path, ...], runs: int) -> None:
    """Measure the benchmarks in TESTS in several processes, one after another, and keep their ratios as the baseline.

    For unchanged code that is known to be good, on a quiet machine. Entries of other kinds of CPU stay.
    """
    if plant.planted():
        raise click.UsageError(f"{plant.VARIABLE} is set; a slow-down on purpose has no place in a baseline")
    ratios: Ratios = defaultdict(lambda: defaultdict(list))
    try:
        for number in range(1, runs + 1):
            click.echo(f"run {number} of {runs}", err=True)
            for found in run_apart(tests, "show"):
                ratios[Path(found["baseline"])][found["name"]].append(found["ratio"])
        for path, measured in ratios.items():
            remember(path, cpu_kind(), measured)
            _tell(path, measured)
    except BaselineError as error:
        raise click.ClickException(str(error)) from error


def _tell(path: Path, names: dict[str, list[float]]) -> None:
    click.echo(f"{path}, {cpu_kind()}")
    for name in names:
        learnt = recall(path, cpu_kind(), name)
        assert learnt is not None
        noisy = "  too noisy to tell a slow-down: make the work longer or the machine quieter" if learnt.noisy else ""
        click.echo(
            f"  {name:<28} ratio {learnt.ratio:.3f}, runs within {learnt.spread:.2f} times of it, "
            f"up to {learnt.tolerance:.2f} times is noise{noisy}"
        )


if __name__ == "__main__":
    renew()
