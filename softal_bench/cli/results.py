"""What a command shows of a suite: its plan, or its page's main tables."""

from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path

import click

from softal_bench.cli.kinds import Kind
from softal_bench.cli.options import with_short_paths
from softal_bench.cli.outlook import Outlook
from softal_bench.cli.tables import show_table
from softal_bench.journal.lines import Status
from softal_bench.records.cells import collect_cells
from softal_bench.records.lookup import Problem
from softal_bench.records.trials import collect
from softal_bench.report.pages.cost import write_cost_pages
from softal_bench.report.pages.trials import write_pages
from softal_bench.report.stats.cost import cost_tables
from softal_bench.report.stats.tables import Table, labels_to_target_tables
from softal_bench.suite import CostSuite, Suite


def show_plan(name: str, kind: Kind, notes: Sequence[str], outlook: Callable[[], Outlook]) -> None:
    """What `run` would do, and what that would take."""
    foreseen = Outlook(["time and memory are not known without data"]) if notes else outlook()
    rows = [[*row, *more] for row, more in zip(kind.rows(), foreseen.rows or repeat([]), strict=False)]
    show_table(name, [*kind.columns, *foreseen.columns], rows)
    click.echo(f"{kind.plan()}; nothing was run")
    for sentence in foreseen.sentences:
        click.echo(sentence)
    for note in notes:
        click.echo(f"not checked against the data: {note}")


def show_results(suite: Suite | CostSuite, runs: Path, pages: Path, statuses: dict[Status, int], quiet: bool) -> None:
    """Write the suite's page, and show its main tables."""
    page, tables, problems = (
        _cost_page(suite, runs, pages) if isinstance(suite, CostSuite) else _page(suite, runs, pages)
    )
    for table in [] if quiet else tables:
        cells = table.cells
        rows = [[str(label), *map(str, values)] for label, values in zip(cells.index, cells.to_numpy(), strict=True)]
        show_table(table.title, ["", *map(str, cells.columns)], rows)
    for problem in problems:
        click.echo(f"not readable: {with_short_paths(problem.path)}: {problem.message}", err=True)
    if statuses:
        click.echo("trials: " + ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())))
    click.echo(f"page: {with_short_paths(page)}")


def _page(suite: Suite, runs: Path, pages: Path) -> tuple[Path, list[Table], Sequence[Problem]]:
    results = collect(suite, runs, pages)
    return write_pages(results, pages), labels_to_target_tables(results), results.problems


def _cost_page(suite: CostSuite, runs: Path, pages: Path) -> tuple[Path, list[Table], Sequence[Problem]]:
    results = collect_cells(suite, runs, pages)
    return write_cost_pages(results, pages), cost_tables(results), results.problems
