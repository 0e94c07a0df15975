"""`softal-bench leaderboard`."""

from pathlib import Path

from softal_bench.cli.failures import told
from softal_bench.cli.options import suite_options

import click  # isort: skip


@click.command(short_help="Write a suite's page from its journals.")
@suite_options
@click.option("--quiet", is_flag=True, help="The page's place only.")
@told
def leaderboard(
    suite_path: Path,
    trials: int | None,
    only: tuple[str, ...],
    settings: tuple[str, ...],
    runs: Path,
    pages: Path,
    quiet: bool,
) -> int:
    """Rebuild the page of SUITE from the journals in the runs folder and in LEADERBOARD/records, running nothing."""
    from softal_bench.cli.tables import show_results
    from softal_bench.suite import load_suite

    show_results(load_suite(suite_path, settings, only, trials), runs, pages, {}, quiet)
    return 0
