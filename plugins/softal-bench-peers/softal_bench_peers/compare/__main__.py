"""`python -m softal_bench_peers.compare`: measure, print tables, write the record and its page as rows come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch
from softal_plugins.datasets.mnist import MNIST

from softal_bench.cli.command import command
from softal_bench.cli.options import EXECUTION, FILES, SELECTION, data_dir_option, data_root, option
from softal_bench.cli.results import show_table
from softal_bench.errors import SoftalError
from softal_bench.machine.device import device_name, resolve_device
from softal_bench_peers.compare.page import NAME, details, timings, write_comparison
from softal_bench_peers.compare.records import Comparison, merge_comparison

from .settings import Settings

# Work -> its module, in the order of the page; the longest last.
WORKS = {
    "machine": "machine",
    "prediction": "prediction",
    "training step": "training_step",
    "scoring": "scoring",
    "streaming": "streaming",
    "round": "round",
    "BatchBALD": "batchbald",
    "BatchBALD growth": "batchbald_growth",
    "BatchBALD search": "full_greedy",
}
_QUICK_FOLDER = Path("runs") / NAME / "quick"


@dataclass(frozen=True)
class Request:
    """What is asked for on the command line."""

    only: tuple[str, ...]
    repetitions: int
    threads: int
    device: str
    data_dir: Path | None
    into: Path | None
    quick: bool

    @property
    def record(self) -> Path:
        """Where the rows go; those of a quick run never into the published record unless told to."""
        folder = _QUICK_FOLDER if self.quick else Path("leaderboard")
        return self.into or folder / "records" / f"{NAME}.json"

    def settings(self) -> Settings:
        """The settings of all works."""
        folder = _QUICK_FOLDER if self.quick else Path("runs") / NAME
        device = resolve_device(self.device)
        return Settings(device, self.threads, self.repetitions, data_root(self.data_dir), folder, self.quick)


@command(short_help="Compare this suite with other implementations.")
@option(
    SELECTION,
    "--only",
    multiple=True,
    type=click.Choice(list(WORKS), case_sensitive=False),
    help="Run only this comparison. May be repeated.",
)
@option(
    SELECTION, "--page", "page_only", is_flag=True, help="Write the page from the record, without measuring anything."
)
@option(
    EXECUTION,
    "--repetitions",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Number of samples of each implementation.",
)
@option(
    EXECUTION,
    "--threads",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Number of CPU threads of each implementation.",
)
@option(EXECUTION, "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:i]", help="Device to use.")
@option(
    EXECUTION,
    "--quick",
    is_flag=True,
    help="Use tiny sizes to see that everything runs, and write to runs/compare/quick.",
)
@data_dir_option
@option(
    FILES,
    "--into",
    type=click.Path(path_type=Path),
    help="Record to merge the results into; the page is written to the parent of its folder.",
)
def main(page_only: bool, **options: Any) -> int:
    """Time this suite and other implementations side by side, and compare their answers."""
    request = Request(**options)
    leaderboard = _leaderboard_of(request.record)
    agree = page_only or _measure(request, leaderboard)
    click.echo(f"page: {write_comparison(leaderboard)}")
    return 0 if agree else 1


def _measure(request: Request, leaderboard: Path) -> bool:
    """Do the works asked for, in the page's order; say whether all answers that were compared are the same."""
    settings = request.settings()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)  # what both sides leave to the global generator: initial weights, dropout in training
    MNIST().prepare(settings.data_dir)
    click.echo(f"on {device_name(settings.device)} ({settings.device}), {settings.threads} CPU threads")
    agree = True
    for work, module in WORKS.items():
        if request.only and work not in request.only:
            continue
        click.echo(f"{work} ...")
        compare: Callable[[Settings], Iterator[Comparison]] = _module(module).compare
        rows = []
        for row in compare(settings):
            merge_comparison(request.record, row, list(WORKS))
            write_comparison(leaderboard)
            rows.append(row)
        _show(rows)
        agree = agree and all(row.same_answer is not False for row in rows)
    return agree


def _module(name: str) -> Any:
    try:
        return import_module(f"{__package__}.{name}")
    except ModuleNotFoundError as error:
        raise SoftalError(
            f"{error.name} is not installed; `make compare` installs it in a layer over the suite's own environment"
        ) from error


def _leaderboard_of(record: Path) -> Path:
    """The folder that the page goes to: the record stands in its records/."""
    if record.name != f"{NAME}.json" or record.parent.name != "records":
        raise SoftalError(
            f"--into {record}: the page is written beside the folder of its record; name a file records/{NAME}.json"
        )
    return record.parent.parent


def _show(rows: list[Comparison]) -> None:
    for frame in (timings(rows), details(rows)):
        if len(frame):
            cells = frame.reset_index()
            show_table("", list(cells.columns), _texts(cells))


def _texts(cells: pd.DataFrame) -> list[list[str]]:
    return [[str(value) for value in row] for row in cells.itertuples(index=False)]


if __name__ == "__main__":
    main()
