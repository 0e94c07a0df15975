"""Tables in the terminal."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from softal_bench.suite import Suite


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; texts are shown as they are."""
    table = Table(title=escape(title) or None, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(escape(column), overflow="fold")
    for row in rows:
        table.add_row(*[escape(cell) for cell in row])
    Console().print(table)


def show_conditions(suite: Suite, notes: Sequence[str], device: str) -> None:
    """What `run` would do."""
    from softal_bench.bench.runner import num_trainings
    from softal_bench.bench.trial import num_rounds

    others = [key for key in suite.varied if key not in ("acquisition", "batch_size")]
    rows = [
        [
            condition.acquisition.label,
            str(condition.batch_size),
            str(condition.posterior_samples),
            *[str(condition.value(key)) for key in others],
            str(num_rounds(condition)),
            str(suite.trials),
        ]
        for condition in suite.conditions
    ]
    columns = ["acquisition function", "B", "K", *others, "rounds a trial", "trials"]
    show_table(f"{suite.name} on {device}", columns, rows)
    trials = len(suite.conditions) * suite.trials
    click.echo(
        f"{len(suite.conditions)} conditions, {trials} trials, {num_trainings(suite)} trainings; nothing was run"
    )
    for note in notes:
        click.echo(f"not checked against the data: {note}")


def show_results(suite: Suite, runs: Path, pages: Path, statuses: dict[str, int], quiet: bool) -> None:
    """Write the suite's page and show the labels that each method needs."""
    from softal_bench.report.page import write_pages
    from softal_bench.report.records import collect
    from softal_bench.report.tables import labels_to_target_tables

    results = collect(suite, runs, pages)
    page = write_pages(results, pages)
    if not quiet:
        for table in labels_to_target_tables(results):
            cells = table.cells
            rows = [
                [str(label), *map(str, values)] for label, values in zip(cells.index, cells.to_numpy(), strict=True)
            ]
            show_table(table.title, ["", *map(str, cells.columns)], rows)
    for problem in results.problems:
        click.echo(f"not readable: {problem.message}", err=True)
    if statuses:
        click.echo("trials: " + ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())))
    click.echo(f"page: {page}")
