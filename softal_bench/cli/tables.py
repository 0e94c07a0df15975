"""Tables in the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_WIDTH = 160  # where the output is no terminal, so that no cell is folded


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table under its title, if it has one; texts are shown as they are."""
    table = Table()
    for column in columns:
        table.add_column(escape(column), overflow="fold")
    for row in rows:
        table.add_row(*[escape(cell) for cell in row])
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    if title:
        console.print(escape(title), style="bold")
    console.print(table)
