"""Seconds of one selection as figures: against B and against N, both axes logarithmic."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from softal_bench.journal.lines import OVER_A_LIMIT, Status
from softal_bench.records.cells import Cell
from softal_bench.report.figures.drawing import (
    add_legend,
    add_title,
    log_ticks,
    method_style,
    page_style,
    panels,
    short,
)
from softal_bench.report.stats.cost_settings import Setting
from softal_bench.report.stats.numbers import size
from softal_bench.report.stats.statistics import median_selection, selection_quartiles

Cells = Mapping[int, Cell]
_Rank = tuple[float, int]
_MARKS = {"timeout": "^", "out_of_memory": "X"}
_LEGEND_MARKS = {"timeout": "ended at the cell's limit", "out_of_memory": "out of memory (no time)"}
_PREDICTION: dict[str, Any] = {"color": "#888888", "linewidth": 1.0, "linestyle": (0, (4, 3)), "gid": "prediction"}


def figure_against_batch_size(setting: Setting, labels: list[str]) -> Figure | None:
    """Draw the seconds of one selection against B, a line for each method, a panel for each N.

    Lines are medians, bands quartiles. A cell over a limit is an open mark at the limit of its seconds, joined to the
    method's last cell that is done.

    Args:
        setting: the cells.
        labels: all methods of the suite, so that each has the same colour in all of its figures.

    Returns:
        The figure, or None where it would have no mark.
    """
    pool_sizes = [
        one
        for one in setting.pool_sizes
        if any(_is_drawn(cells.values()) for cells in _by_label(setting, one).values())
    ]
    if not pool_sizes:
        return None
    with page_style():
        figure, axes = panels(len(pool_sizes))
        legend = _Legend()
        for one, pool_size in zip(axes, pool_sizes, strict=True):
            legend.add(_draw(one, _by_label(setting, pool_size), labels))
            if (prediction := setting.prediction(pool_size)) and prediction[1] > 0:
                legend.prediction = one.axhline(prediction[1], **_PREDICTION)
            one.set_title(f"N = {size(pool_size)}", loc="left", fontsize=10)
        _label(figure, axes, setting.batch_sizes, "Acquisition batch size B")
        add_title(figure, setting.heading)
        legend.show(figure)
    return figure


def figure_against_pool_size(setting: Setting, batch_size: int, labels: list[str]) -> Figure:
    """Draw the seconds of one selection with this B against N, in the same form."""
    with page_style():
        figure, (axes,) = panels(1)
        legend = _Legend()
        cells = {label: setting.against_pool_size(label, batch_size) for label in setting.labels}
        legend.add(_draw(axes, cells, labels))
        medians = {one: found[1] for one in setting.pool_sizes if (found := setting.prediction(one))}
        predictions = {one: median for one, median in medians.items() if median > 0}
        if predictions:
            (legend.prediction,) = axes.plot(list(predictions), list(predictions.values()), marker=".", **_PREDICTION)
        _label(figure, [axes], setting.pool_sizes, "Pool size N")
        axes.set_title(f"B = {batch_size}", loc="left", fontsize=10)
        add_title(figure, setting.heading)
        legend.show(figure)
    return figure


def comparable_batch_size(setting: Setting) -> int | None:
    """Return the B at which most methods are done at two N or more, of several the largest; None if no method is."""
    counts = Counter(
        batch_size
        for batch_size in setting.batch_sizes
        for label in setting.labels
        if sum(_has_median(cell) for cell in setting.against_pool_size(label, batch_size).values()) > 1
    )
    return max(counts, key=lambda batch_size: (counts[batch_size], batch_size), default=None)


def not_drawn(setting: Setting, cells_of: Callable[[str], Iterable[Cell]]) -> list[str]:
    """Return the methods without a mark in a figure: none of these cells is over a limit or done in more than 0 s."""
    return [label for label in setting.labels if not _is_drawn(cells_of(label))]


class _Legend:
    """What a figure has drawn and its legend has to name."""

    def __init__(self) -> None:
        self._lines: dict[str, tuple[_Rank, Line2D]] = {}
        self._marks: set[str] = set()
        self.prediction: Line2D | None = None

    def add(self, drawn: dict[str, tuple[_Rank, Line2D, set[str]]]) -> None:
        """Take note of the methods of one panel: the rank of each, its line, its marks."""
        for label, (rank, line, marks) in drawn.items():
            self._lines[label] = (max(rank, self._lines.get(label, (rank, line))[0]), line)
            self._marks |= marks

    def show(self, figure: Figure) -> None:
        """Name the slowest method on top, then what is no method."""
        order = sorted(self._lines, key=lambda label: self._lines[label][0], reverse=True)
        lines = [(short(label), self._lines[label][1]) for label in order]
        for status, text in _LEGEND_MARKS.items():
            if status in self._marks:
                mark = Line2D([], [], color="#555555", linestyle=":", linewidth=0.9, marker=_MARKS[status])
                mark.set(markerfacecolor="white", markersize=7)
                lines.append((text, mark))
        if self.prediction:
            lines.append(("prediction of the pool", self.prediction))
        add_legend(figure, lines, "Median and quartiles")


def _by_label(setting: Setting, pool_size: int) -> dict[str, Cells]:
    return {label: setting.against_batch_size(label, pool_size) for label in setting.labels}


def _is_drawn(cells: Iterable[Cell]) -> bool:
    return any(_has_median(cell) or cell.status in OVER_A_LIMIT for cell in cells)


def _has_median(cell: Cell) -> bool:
    """Whether its median has a place on a logarithmic axis."""
    return cell.status == Status.DONE and median_selection(cell) > 0


def _rank(cells: Cells) -> _Rank:
    """How slow a method is: how high it is drawn; of two over the limit, the one at a smaller size is slower."""
    over = min((one for one, cell in cells.items() if cell.status in OVER_A_LIMIT), default=0)
    return max(map(_height, cells.values())), -over


def _height(cell: Cell) -> float:
    """Where a cell is drawn: at its median, or over a limit at the limit of its seconds; 0 where it is not drawn."""
    if cell.status in OVER_A_LIMIT:
        return cell.condition.limits.cell_seconds
    return median_selection(cell) if cell.status == Status.DONE else 0.0


def _draw(axes: Axes, cells: Mapping[str, Cells], labels: list[str]) -> dict[str, tuple[_Rank, Line2D, set[str]]]:
    axes.set_xscale("log")
    axes.set_yscale("log")
    overlaps: Counter[int] = Counter()
    drawn = {}
    for above, (label, own) in zip(reversed(range(len(cells))), cells.items(), strict=True):
        look = method_style(labels.index(label))
        # Methods that cost the same would hide one another: each is drawn wider than those drawn over it.
        look |= {"linewidth": 1.2 + 0.15 * above, "markersize": 5.5 + 0.6 * above}
        look |= {"markeredgecolor": "white", "markeredgewidth": 0.5}
        done = {one: selection_quartiles(cell) for one, cell in own.items() if _has_median(cell)}
        (line,) = axes.plot(list(done), [median for _, median, _ in done.values()], **look)
        if done:
            low, _, high = zip(*done.values(), strict=True)
            axes.fill_between(list(done), low, high, color=look["color"], alpha=0.2, linewidth=0)
        marks = _mark_limits(axes, own, look["color"], overlaps)
        if done or marks:
            drawn[label] = (_rank(own), line, marks)
    return drawn


def _mark_limits(axes: Axes, cells: Cells, colour: str, overlaps: Counter[int]) -> set[str]:
    """Mark cells over a limit; where several methods have one at the same size, each mark is larger than the last."""
    marked: set[str] = set()
    for one, cell in cells.items():
        if cell.status not in OVER_A_LIMIT:
            continue
        limit = cell.condition.limits.cell_seconds
        before = [(other, median_selection(done)) for other, done in cells.items() if other < one and _has_median(done)]
        path = [*before[-1:], (one, limit)]
        axes.plot(*zip(*path, strict=True), color=colour, linestyle=":", linewidth=0.9)
        mark: dict[str, Any] = {"marker": _MARKS[cell.status], "markersize": 6 + 4 * overlaps[one]}
        axes.plot(one, limit, color=colour, markerfacecolor="none", linestyle="", gid=f"over-{cell.status}", **mark)
        overlaps[one] += 1
        marked.add(cell.status)
    return marked


def _label(figure: Figure, axes: list[Axes], sizes: list[int], text: str) -> None:
    log_ticks(axes[0].yaxis)  # the panels share both axes
    shared = axes[0].xaxis
    shared.set_major_locator(FixedLocator(sizes))
    shared.set_minor_locator(NullLocator())
    shared.set_major_formatter(FuncFormatter(lambda value, _: size(round(value))))
    shared.set_minor_formatter(NullFormatter())
    figure.supxlabel(text, fontsize=10)
    figure.supylabel("Seconds of one selection", fontsize=10)
