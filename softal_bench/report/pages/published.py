"""Published labels to an accuracy next to ours."""

import pandas as pd

from softal_bench.records.trials import ConditionResults, Results
from softal_bench.report.pages.markdown import escape_block, titled
from softal_bench.report.pages.sections import Rendered
from softal_bench.report.stats.numbers import ABSENT, number, percentage
from softal_bench.report.stats.statistics import labels_to, median_interval, quartiles
from softal_bench.report.stats.tables import METHOD, Table, status_text
from softal_bench.suite import PublishedRow, Reference

_NOTE = f"""\
Labels are 25 % / 50 % / 75 % quantiles over trials; ∞ means that the accuracy was not reached. No trial is dropped: one
that ends below the accuracy counts as ∞. The published median is "inside" if it lies in the 95 % bootstrap interval of
our median (percentile method, 10 000 resamples of the trials, fixed seed), and "outside" otherwise. Take the number of
trials into account: with three trials the interval ranges from the smallest to the largest value and contains the true
median in only three of four cases. One "outside" in four is then expected even if nothing differs, and "inside" means
little if the interval is wide. The published median also comes from few trials. If none of our trials is done, the
table says so, and nothing is estimated. {ABSENT} means not known."""


class PublishedLabels:
    """A table for each target with published labels next to ours. Renders to nothing if the suite has no reference."""

    def render(self, results: Results) -> Rendered:
        reference = results.suite.reference
        if reference is None:
            return Rendered()
        parts = ["## Comparison with published figures"]
        parts.append(escape_block(f"{reference.title}. Source: {reference.source}."))
        if reference.differences:
            differences = [f"- {escape_block(text)}" for text in reference.differences]
            parts += ["Known differences between the paper's text, its runs, and these trials:", "\n".join(differences)]
        for one in published_tables(results, reference):
            parts += titled(one)
        return Rendered([*parts, _NOTE])


def published_tables(results: Results, reference: Reference) -> list[Table]:
    """Return a table for each target of the reference, with a row for each published condition of the suite."""
    ours = {id(one.condition): one for one in results.conditions}
    targets = sorted({target for row in reference.rows for target in row.labels})
    tables = []
    for target in targets:
        rows = [
            _row(row, ours[id(condition)], target)
            for row in reference.rows
            if target in row.labels
            for condition in row.matching(results.suite.conditions)
        ]
        if rows:
            title = f"Labels to {percentage(target)} test accuracy, published and ours"
            tables.append(Table(title, pd.DataFrame(rows, dtype=object).set_index(METHOD)))
    return tables


def verdict(published_median: float, ours_n: list[float]) -> tuple[str, str]:
    """Return the interval of our median as text, and whether the published median lies in it.

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


def _row(row: PublishedRow, results: ConditionResults, target: float) -> dict[str, str]:
    published = {
        METHOD: results.condition.acquisition.label,
        "Published as": row.published_as,
        "B": str(row.batch_size),
        "Published": _text(row.labels[target]),
    }
    reached = labels_to(results, target)
    if not reached:
        status = status_text(results)
        return {**published, "Ours": status, "n": ABSENT, "Interval of our median": ABSENT, "Published median": status}
    interval, where = verdict(row.labels[target][1], reached)
    ours = {"Ours": _text(quartiles(reached)), "n": str(len(reached))}
    return {**published, **ours, "Interval of our median": interval, "Published median": where}


def _text(values: tuple[float, float, float]) -> str:
    return " / ".join(map(number, values))
