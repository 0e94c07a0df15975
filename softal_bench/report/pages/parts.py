"""Parts in Markdown that pages of suites of trials and of cost suites share."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import pandas as pd

from softal_bench.errors import one_line
from softal_bench.journal.lines import FAILURES, Status
from softal_bench.records.lookup import HasStatus, Problem, Recorded
from softal_bench.report.pages.index import Entry, to_comment
from softal_bench.report.pages.markdown import counted, escape, escape_block, table
from softal_bench.report.pages.provenance import facts, methods_table, shared_settings
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.tables import METHOD, Table
from softal_bench.suite import AnyCondition, AnySuite


class OfACondition(HasStatus, Protocol):
    """A trial or a cell, with its condition."""

    @property
    def condition(self) -> AnyCondition:
        """What decides its numbers."""


M = TypeVar("M", bound=OfACondition)


def opening(suite: AnySuite, entry: Entry) -> list[str]:
    """Return the index's entry, the title, and the description."""
    description = [escape_block(text) for text in re.split(r"\n\s*\n", suite.description) if text.strip()]
    return [to_comment(entry), f"# {escape_block(suite.title or suite.name)}", *description]


def titled(of: Table) -> list[str]:
    """Return a table under its title."""
    return [f"**{escape(of.title)}**", table(of.cells)]


def failures(heading: str, counts: pd.DataFrame | None, rows: Sequence[dict[str, str]]) -> list[str]:
    """Return a section that counts what failed and tells it, a row each with METHOD among its keys, if anything did."""
    if counts is None:
        return []
    told = [table(pd.DataFrame(list(rows)).set_index(METHOD), align="left")] if rows else []
    return [heading, table(counts), *told]


def failure_counts(recorded: Iterable[OfACondition], noun: str) -> pd.DataFrame | None:
    """Return how many trials or cells of each method there are, are done, and ended otherwise; None where none did.

    Methods of which none failed are in it too, so that the rows of all of them can be compared.
    """
    statuses = {label: [one.status for one in of] for label, of in by_method(recorded).items()}
    occurring = {status for found in statuses.values() for status in found}
    if not occurring.intersection(FAILURES):
        return None
    shown = [status for status in Status if status in {Status.DONE, *FAILURES, *occurring}]
    rows = [[str(len(found)), *(str(found.count(status)) for status in shown)] for found in statuses.values()]
    columns = [noun.capitalize(), *(status.words.capitalize() for status in shown)]
    return pd.DataFrame(rows, index=pd.Index(list(statuses), name=METHOD), columns=columns, dtype=object)


def by_method(recorded: Iterable[M]) -> dict[str, list[M]]:
    """Group trials or cells by their acquisition function's label, in their order."""
    grouped: dict[str, list[M]] = {}
    for one in recorded:
        grouped.setdefault(one.condition.acquisition.label, []).append(one)
    return grouped


def ending(of: Recorded, error: str) -> dict[str, str]:
    """Return the columns on how something failed."""
    return {"Status": of.status.words, "Key": of.key, "Error": _first_line(error)}


def stale(recorded: Iterable[OfACondition], rows: Callable[[Any], dict[str, str]], noun: str) -> list[str]:
    """Return a section that lists what was computed with code that differs from the installed code, or nothing.

    Args:
        recorded: the trials or cells.
        rows: says which one it is, with METHOD among the keys.
        noun: what one of them is called.
    """
    found = [one for one in recorded if one.status == Status.STALE]
    if not found:
        return []
    counts = {label: len(of) for label, of in by_method(found).items()}
    told = "; ".join(f"{label}: {count}" for label, count in counts.items())
    cells = pd.DataFrame([{**rows(one), **_stale_columns(one)} for one in found]).set_index(METHOD)
    return [
        f"## Stale {noun}s",
        f"{escape_block(f'Stale: {counted(len(found), noun)} ({told}).')} Each is finished, but the source of a plugin "
        "has changed since, so it does not count as done above. `softal-bench run --fresh` computes it again.",
        table(cells, align="left"),
    ]


def _stale_columns(of: Any) -> dict[str, str]:
    line = of.record.stale
    plugins = [f"{one.name} {one.recorded}, now {one.installed}" for one in line.plugins]
    return {"Key": of.key, "Source that it was computed with": "; ".join(plugins), "Since": str(line.time)}


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
    read = [one for one in recorded if one.record]
    known = facts([one for one in read if one.status != Status.STALE], noun)
    none = f"Every {noun} that was run is stale." if read else f"No {noun} was run."
    return [
        "## Provenance",
        "\n".join(f"- {escape_block(f'{name}: {value}')}" for name, value in known) or none,
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
