"""Published labels to an accuracy beside ours."""

import pandas as pd

from softal_bench.records.trials import ConditionResults, Results
from softal_bench.report.pages import notes
from softal_bench.report.pages.markdown import escape_block, table
from softal_bench.report.stats.numbers import ABSENT, number, percentage
from softal_bench.report.stats.statistics import labels_to, median_interval, quartiles
from softal_bench.report.stats.tables import METHOD, Table, standing
from softal_bench.suite import PublishedRow, Reference


def published_sections(results: Results) -> list[str]:
    """Return, in Markdown, each published cell beside ours; nothing where the suite names no reference."""
    reference = results.suite.reference
    if reference is None:
        return []
    differences = [f"- {escape_block(text)}" for text in reference.differences]
    parts = ["## Beside the published figures", escape_block(f"{reference.title}. Source: {reference.source}.")]
    if differences:
        parts += ["What is known to differ between the paper's text, its runs and these:", "\n".join(differences)]
    for one in published_tables(results, reference):
        parts += [f"**{one.title}**", table(one.cells)]
    return [*parts, notes.PUBLISHED]


def published_tables(results: Results, reference: Reference) -> list[Table]:
    """Return a table for each target of the reference: a row for each of its cells whose condition was asked for."""
    cells = {id(cell.condition): cell for cell in results.conditions}
    targets = sorted({target for row in reference.rows for target in row.labels})
    tables = []
    for target in targets:
        rows = [
            _row(row, cells[id(condition)], target)
            for row in reference.rows
            if target in row.labels
            for condition in row.matching(results.suite.conditions)
        ]
        if rows:
            title = f"Labels to {percentage(target)} test accuracy, published and ours"
            tables.append(Table(title, pd.DataFrame(rows, dtype=object).set_index(METHOD)))
    return tables


def verdict(published_median: float, ours_n: list[float]) -> tuple[str, str]:
    """Return the interval of our median as text, and whether the published one lies inside it.

    >>> verdict(200.0, [180.0, 210.0, 230.0])
    ('[180, 230]', 'inside')
    >>> verdict(float("inf"), [180.0, 210.0, 230.0])
    ('[180, 230]', 'outside')
    >>> verdict(200.0, [180.0])
    ('–', 'too few trials')
    """
    interval = median_interval(ours_n)
    if interval is None:
        return ABSENT, "too few trials"
    low, high = interval
    return f"[{number(low)}, {number(high)}]", "inside" if low <= published_median <= high else "outside"


def _row(row: PublishedRow, cell: ConditionResults, target: float) -> dict[str, str]:
    published = {
        METHOD: cell.condition.acquisition.label,
        "Published as": row.published_as,
        "B": str(row.batch_size),
        "Published": _text(row.labels[target]),
    }
    reached = labels_to(cell, target)
    if not reached:
        why = standing(cell)
        return {**published, "Ours": why, "n": ABSENT, "Interval of our median": ABSENT, "Published median": why}
    interval, where = verdict(row.labels[target][1], reached)
    ours = {"Ours": _text(quartiles(reached)), "n": str(len(reached))}
    return {**published, **ours, "Interval of our median": interval, "Published median": where}


def _text(values: tuple[float, float, float]) -> str:
    return " / ".join(map(number, values))
