"""The tables of a suite as text in data frames: labels to an accuracy, final accuracy, area under a curve."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from softal_bench.records.lookup import describe_counts
from softal_bench.records.trials import ConditionResults, Results, Trial
from softal_bench.report.stats.numbers import ABSENT, number, percentage
from softal_bench.report.stats.sections import Section, sections
from softal_bench.report.stats.statistics import area_under_curve, labels_to, mean_interval, quartiles

METHOD = "Acquisition function"


@dataclass(frozen=True)
class Table:
    """A table to be shown: a title in plain text, and cells of text with the methods as index."""

    title: str
    cells: pd.DataFrame


def labels_to_target_tables(results: Results) -> list[Table]:
    """Return the tables of labels to reach an accuracy: one for each section of the suite and each target.

    A row is an acquisition function, a column is an acquisition batch size, a cell is `q25 / q50 / q75 (n)`.
    """
    return [table for section in sections(results) for table in labels_tables(section, results.suite.report.targets)]


def labels_tables(section: Section, targets: list[float]) -> list[Table]:
    """Return one section's tables of labels to reach an accuracy, one for each target (a fraction)."""
    return [_labels_table(section, target) for target in targets]


def final_accuracy_table(section: Section) -> Table:
    """Return the last test accuracy of each condition in per cent: mean, 95 % interval, number of trials."""
    table = _mean_table(section, "Final test accuracy, %", 1, lambda trial: trial.accuracies[-1])
    return _with_labels(table, section, lambda trials: _span({trial.labels[-1] for trial in trials}))


def area_table(section: Section) -> Table:
    """Return the area under the accuracy curve over the range of labels in per cent, in the same form."""
    table = _mean_table(
        section,
        "Area under the accuracy curve, % (mean accuracy over the labels)",
        2,
        lambda trial: area_under_curve(trial.labels, trial.accuracies),
    )
    return _with_labels(table, section, _range)


def grid(section: Section, text: Callable[[ConditionResults], str]) -> pd.DataFrame:
    """Return a data frame of `text` of each condition: methods by acquisition batch size.

    A condition without a done trial says how its trials stand; a combination that is not in the suite is a
    dash.
    """

    def cell(label: str, size: int) -> str:
        results = section.cells.get((label, size))
        if results is None:
            return ABSENT
        return text(results) if results.done else standing(results)

    return by_batch_size(section.labels, section.batch_sizes, cell)


def by_batch_size(labels: Sequence[str], batch_sizes: Sequence[int], text: Callable[[str, int], str]) -> pd.DataFrame:
    """Return a data frame of the text of each label and B: methods by acquisition batch size."""
    rows = [[text(label, size) for size in batch_sizes] for label in labels]
    columns = [_batch_size(size) for size in batch_sizes]
    return pd.DataFrame(rows, index=pd.Index(labels, name=METHOD), columns=columns, dtype=object)


def standing(results: ConditionResults) -> str:
    """Return how the trials of a condition stand if none is done: `not run`, or `1 failed, 2 not run`."""
    if all(trial.status == "not_run" for trial in results.trials):
        return "not run"
    return describe_counts(results.trials)


def _labels_table(section: Section, target: float) -> Table:
    def text(results: ConditionResults) -> str:
        reached = labels_to(results, target)
        return f"{' / '.join(map(number, quartiles(reached)))} ({len(reached)})"

    title = f"Labels to {percentage(target)} test accuracy"
    return Table(f"{title}, {section.heading}" if section.heading else title, grid(section, text))


def _mean_table(section: Section, title: str, decimals: int, value: Callable[[Trial], float]) -> Table:
    def text(results: ConditionResults) -> str:
        values = 100 * np.array([value(trial) for trial in results.done])
        low, high = mean_interval(values)
        interval = ABSENT if np.isnan(low) else f"{low:.{decimals}f}, {high:.{decimals}f}"
        return f"{values.mean():.{decimals}f} [{interval}] ({len(values)})"

    return Table(title, grid(section, text))


def _batch_size(size: int) -> str:
    return f"B = {size}"


def _with_labels(table: Table, section: Section, text: Callable[[list[Trial]], str]) -> Table:
    """Say in a table's headings at which labels the done trials with a B were measured; nothing where none is done."""
    heads = {}
    for size in section.batch_sizes:
        cells = [cell for (_, batch_size), cell in section.cells.items() if batch_size == size]
        trials = [trial for cell in cells for trial in cell.done]
        heads[_batch_size(size)] = f"{_batch_size(size)}{f', {text(trials)} labels' if trials else ''}"
    return Table(table.title, table.cells.rename(columns=heads))


def _range(trials: list[Trial]) -> str:
    """From where to where their curves go: `20 to 300`, or `from 20 until 300 to 320`."""
    starts, ends = {trial.labels[0] for trial in trials}, {trial.labels[-1] for trial in trials}
    if len(starts) == len(ends) == 1:
        return f"{min(starts)} to {min(ends)}"
    return f"from {_span(starts)} until {_span(ends)}"


def _span(sizes: set[int]) -> str:
    """One size, or the least and the largest of several: `300`, or `300 to 320`."""
    return str(min(sizes)) if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"
