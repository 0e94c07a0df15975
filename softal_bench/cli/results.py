"""Tables in the terminal: the plan of a run, and the main tables of a page."""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from softal_bench.cli.options import say, with_short_paths
from softal_bench.errors import printable

if TYPE_CHECKING:
    from softal_bench.cli.kinds import Kind, Page
    from softal_bench.cli.plan import Outlook
    from softal_bench.records.lookup import Problem
    from softal_bench.run.jobs import Preflight

_WIDTH = 160  # of output that does not go to a terminal, so that the text of a table is not folded


def plain(text: str) -> str:
    """Return a text that Rich shows as it is: without markup, and without characters that steer the terminal."""
    return escape(printable(text))


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table under its title, if it has one; markup in texts is not interpreted."""
    table = Table()
    for column in columns:
        table.add_column(plain(column), overflow="fold")
    for row in rows:
        table.add_row(*[plain(text) for text in row])
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    if title:
        console.print(plain(title), style="bold")
    console.print(table)


def show_problems(problems: "Iterable[Problem]") -> None:
    """Report the journals that cannot be read."""
    for problem in problems:
        say(f"not readable: {with_short_paths(problem.path)}: {problem.message}", err=True)


def show_plan(name: str, kind: "Kind", preflight: "Preflight", outlook: "Callable[[], Outlook]") -> None:
    """Show what `run` would do, and the time and memory that it would need.

    Args:
        name: the title.
        kind: the suite.
        preflight: what is known before the run; if anything could not be checked, time and memory are unknown.
        outlook: computes time and memory.
    """
    foreseen = None if preflight.unchecked else outlook()
    columns, rows = (foreseen.columns, foreseen.rows) if foreseen else ((), [])
    show_table(
        name,
        [*kind.columns, *columns],
        [[*row, *more] for row, more in zip(kind.rows(), rows or repeat([]), strict=False)],
    )
    say(f"{kind.plan()}; nothing was run")
    for sentence in foreseen.sentences if foreseen else ["time and memory are unknown without the data"]:
        say(sentence)
    for note in preflight.unchecked:
        say(f"not checked against the data: {note}")
    for cells in preflight.infeasible:
        say(f"will fail: {cells}")


def show_page(page: "Page", counts: str, quiet: bool) -> None:
    """Show the main tables of a page, the journals that cannot be read, and the path of the page.

    Args:
        page: the page.
        counts: a line with the number of jobs by status, or "".
        quiet: leave out the tables.
    """
    for table in () if quiet else page.tables:
        cells = table.cells
        rows = [[str(label), *map(str, values)] for label, values in zip(cells.index, cells.to_numpy(), strict=True)]
        show_table(table.title, ["", *map(str, cells.columns)], rows)
    show_problems(page.problems)
    if counts:
        say(counts)
    say(f"page: {with_short_paths(page.path)}")
