"""How trainings and acquisitions went, round by round: epochs, and the mean score of the acquired batch.

A page shows them where its suite names published figures. Where a condition disagrees with those, they distinguish a
training that stopped early from an acquisition that scores points differently.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softal_bench.journal.lines import Round
from softal_bench.records.trials import ConditionResults
from softal_bench.report.figures.drawing import add_grid, add_legend, method_style, new_figure, page_style, short
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.sections import Section
from softal_bench.report.stats.tables import METHOD, Table

Course = tuple[list[int], list[float]]  # training-set sizes, ascending, and the mean over trials at each


def course_table(section: Section, batch_size: int) -> Table | None:
    """Return the mean epochs, best epoch, and acquired score of each method with this B; None where none is done."""
    rows = {
        label: {
            "Epochs run": _mean(cell, lambda one: one.epochs),
            "Best epoch": _mean(cell, lambda one: one.best_epoch),
            "Score of the acquired batch, first round": _at(course(cell, _score), 0),
            "Last round": _at(course(cell, _score), -1),
        }
        for label in section.labels
        if (cell := section.cells.get((label, batch_size))) and course(cell, lambda one: one.epochs)[0]
    }
    if not rows:
        return None
    cells = pd.DataFrame.from_dict(rows, orient="index", dtype=object).rename_axis(METHOD)
    return Table(f"Epochs and acquired scores, B = {batch_size}", cells)


def course_figure(section: Section, batch_size: int, labels: Sequence[str]) -> Figure | None:
    """Draw epochs run and the mean score of the acquired batch against labels; None where no trial has them.

    Args:
        section: the conditions.
        batch_size: B.
        labels: all methods of the suite, so that each has the same colour in all of its figures.
    """
    cells = {label: cell for label in labels if (cell := section.cells.get((label, batch_size)))}
    epochs = {label: drawn for label, cell in cells.items() if (drawn := course(cell, lambda one: one.epochs))[0]}
    scores = {label: drawn for label, cell in cells.items() if (drawn := course(cell, _score))[0]}
    if not epochs:
        return None
    with page_style():
        figure = new_figure(10.5, 4.2)
        left, right = figure.subplots(1, 2)
        lines = {label: _draw(left, drawn, labels.index(label)) for label, drawn in epochs.items()}
        for label, drawn in scores.items():
            _draw(right, drawn, labels.index(label))
        for axes, name in ((left, "Epochs run"), (right, "Mean score of the acquired batch")):
            add_grid(axes)
            axes.set_xlabel("Labels (size of the training set)")
            axes.set_title(f"{name}, B = {batch_size}", loc="left", fontsize=11)
        add_legend(figure, [(short(label), line) for label, line in lines.items()], "Mean over trials")
    return figure


def course(cell: ConditionResults, value: Callable[[Round], float | None]) -> Course:
    """Return the mean over the done trials of a round's value at each training-set size that has one."""
    found: dict[int, list[float]] = {}
    for trial in cell.done:
        for one in trial.rounds:
            if (number := value(one)) is not None:
                found.setdefault(one.labels, []).append(number)
    sizes = sorted(found)
    return sizes, [float(np.mean(found[size])) for size in sizes]


def _score(one: Round) -> float | None:
    return float(np.mean(one.scores)) if one.scores else None


def _draw(axes: Axes, drawn: Course, number: int) -> Line2D:
    every = max(1, len(drawn[0]) // 8)
    (line,) = axes.plot(*drawn, **method_style(number), markevery=(number % every, every))
    return line


def _mean(cell: ConditionResults, value: Callable[[Round], float | None]) -> str:
    numbers = [number for trial in cell.done for one in trial.rounds if (number := value(one)) is not None]
    return f"{np.mean(numbers):.2f}" if numbers else ABSENT


def _at(drawn: Course, place: int) -> str:
    return f"{drawn[1][place]:.3g}" if drawn[1] else ABSENT
