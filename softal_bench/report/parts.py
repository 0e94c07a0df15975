"""Parts in Markdown that pages of suites of trials and of cost suites share."""

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from softal_bench.report.index import Entry, to_comment
from softal_bench.report.journals import STATUSES, Problem, Recorded
from softal_bench.report.markdown import escape, escape_block, one_line, table
from softal_bench.report.numbers import ABSENT
from softal_bench.report.provenance import facts, methods_table, shared_settings
from softal_bench.report.tables import METHOD, Table
from softal_bench.suite import AnyCondition, AnySuite


def opening(suite: AnySuite, entry: Entry) -> list[str]:
    """Return the index's entry, the title, and the description."""
    description = [escape_block(text) for text in re.split(r"\n\s*\n", suite.description) if text.strip()]
    return [to_comment(entry), f"# {escape_block(suite.title or suite.name)}", *description]


def titled(of: Table) -> list[str]:
    """Return a table under its title."""
    return [f"**{escape(of.title)}**", table(of.cells)]


def failures(heading: str, rows: Sequence[dict[str, str]]) -> list[str]:
    """Return a section that tells what failed, a row each, with METHOD among its keys; nothing where nothing did."""
    return [heading, table(pd.DataFrame(list(rows)).set_index(METHOD), align="left")] if rows else []


def ending(of: Recorded, error: str) -> dict[str, str]:
    """Return the columns on how something failed."""
    return {"Status": STATUSES[of.status], "Key": of.key, "Error": _first_line(error)}


def unreadable(problems: Sequence[Problem]) -> list[str]:
    """Return a section that names the journals that cannot be read; nothing where there are none."""
    lines = [f"- {escape_block(f'{problem.path.name}: {problem.message}')}" for problem in problems]
    return ["## Journals that cannot be read", "\n".join(lines)] if lines else []


def provenance(
    recorded: Iterable[Recorded], noun: str, conditions: Sequence[AnyCondition], shown: set[str]
) -> list[str]:
    """Return where the numbers come from.

    Args:
        recorded: the trials or cells.
        noun: what one of them is called.
        conditions: of the suite.
        shown: keys of a condition that tables and headings show.
    """
    shared = [f"- {escape_block(f'{key}: {value}')}" for key, value in shared_settings(conditions, shown).items()]
    known = facts([one for one in recorded if one.record], noun)
    return [
        "## Provenance",
        "\n".join(f"- {escape_block(f'{name}: {value}')}" for name, value in known) or f"No {noun} was run.",
        "The methods, and the settings in which they differ (K: posterior samples):",
        table(methods_table(conditions, shown), align="left"),
        "Settings that all share:",
        "\n".join(shared) or "None.",
    ]


def _first_line(error: str, limit: int = 300) -> str:
    """The line of an error that says what happened: the first, or in a traceback the last."""
    lines = [line for line in error.splitlines() if line.strip()] or [ABSENT]
    line = one_line(lines[-1] if lines[0].startswith("Traceback") else lines[0])
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
