"""`softal-bench verify`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from softal_bench.cli.failures import told
from softal_bench.cli.options import data_dir_option, data_root

if TYPE_CHECKING:
    from softal_bench.records.verify import Submitted


@click.command(short_help="Check journals from elsewhere, and run some of their rounds again.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--sample", type=click.IntRange(min=0), default=3, show_default=True, metavar="N", help="Rounds to run again."
)
@data_dir_option
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:i]", help="Where to run them.")
@told
def verify(folder: Path, sample: int, data_dir: Path | None, device: str) -> int:
    """Check every journal in DIR, and run N of their rounds again.

    Checked are schema, key, labels and indices; compared are the acquired indices and the accuracy. Which rounds are
    run follows from the journals alone. Exit code 0: all sound and the same; 1: something differs, and it is said what.
    """
    from softal_bench.records.lookup import journals_in

    paths = journals_in(folder)
    sound = _sound(paths)
    same = _run_again(sound, sample, data_root(data_dir), device)
    return 0 if same and len(sound) == len(paths) else 1


def _sound(paths: list[Path]) -> "list[Submitted]":
    from softal_bench.errors import JournalError
    from softal_bench.records.verify import examine

    sound = []
    for path in paths:
        try:
            sound.append(examine(path))
        except JournalError as error:
            click.echo(f"not sound: {error}")
    cells = sum(not one.rounds for one in sound)
    without = f", {cells} of them without rounds that can be run again" if cells else ""
    stale = sum(one.record.stale is not None for one in sound)
    old = f", {stale} of them stale: a plugin was changed after they were computed" if stale else ""
    click.echo(f"{len(sound)} of {len(paths)} journals are sound{without}{old}")
    return sound


def _run_again(sound: "list[Submitted]", count: int, root: Path, device: str) -> bool:
    """Whether the rounds drawn come out the same here."""
    from softal_bench.errors import JournalError
    from softal_bench.machine.device import resolve_device
    from softal_bench.records.verify import compare, run_again, sample, unlike_here
    from softal_bench.suite import Condition

    drawn = sample(sound, count)
    chosen = resolve_device(device)
    same = 0
    for one, number in drawn:
        assert isinstance(one.condition, Condition)  # cells have no rounds
        try:
            line = run_again(one.record, one.condition, number, root, chosen)
        except JournalError as error:
            click.echo(f"differs: {error}")
            continue
        comparison = compare(one, number, line, unlike_here(one.record, one.condition, number, chosen))
        same += comparison.same
        click.echo(f"{one.record.path}: {one.name}, round {number}: {comparison.told}")
    click.echo(f"{same} of {len(drawn)} rounds run again are the same")
    return same == len(drawn)
