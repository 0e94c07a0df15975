"""Figures of the seconds of one selection against B and against N, with both axes logarithmic."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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
    shortened,
)
from softal_bench.report.stats.cost import CostSetting, median_selection, selection_quartiles
from softal_bench.report.stats.numbers import size

CellsBySize = Mapping[int, Cell]  # the cells of one method, by B or by N
_MARKS = {"timeout": "^", "out_of_memory": "X"}
_LEGEND_MARKS = {"timeout": "ended at the cell's limit", "out_of_memory": "out of memory (no time)"}
_PREDICTION: dict[str, Any] = {"color": "#888888", "linewidth": 1.0, "linestyle": (0, (4, 3)), "gid": "prediction"}


def figure_against_batch_size(setting: CostSetting, labels: list[str]) -> Figure | None:
    """Draw the seconds of one selection against B, a line for each method, a panel for each N.

    Lines are medians and bands are quartiles. A cell over a limit is an open mark at the limit on its seconds, joined
    to the method's last done cell.

    Args:
        setting: the cells.
        labels: all methods of the suite, so that each has the same colour in all figures.

    Returns:
        The figure, or None if it would show nothing.
    """
    by_pool_size = {
        pool_size: {label: setting.against_batch_size(label, pool_size) for label in setting.labels}
        for pool_size in setting.pool_sizes
    }
    shown = {
        pool_size: by_label
        for pool_size, by_label in by_pool_size.items()
        if any(_is_drawn(cells.values()) for cells in by_label.values())
    }
    if not shown:
        return None
    with page_style():
        figure, axes = panels(len(shown))
        legend = _Legend()
        for one, (pool_size, by_label) in zip(axes, shown.items(), strict=True):
            legend.add(_draw(one, by_label, labels))
            if (prediction := setting.prediction(pool_size)) and prediction[1] > 0:
                legend.prediction = one.axhline(prediction[1], **_PREDICTION)
            one.set_title(f"N = {size(pool_size)}", loc="left", fontsize=10)
        _label(figure, axes, setting.batch_sizes, "Acquisition batch size B")
        add_title(figure, setting.heading)
        legend.show(figure)
    return figure


def figure_against_pool_size(setting: CostSetting, batch_size: int, labels: list[str]) -> Figure:
    """Draw the seconds of one selection with this B against N, in the same style."""
    with page_style():
        figure, (axes,) = panels(1)
        legend = _Legend()
        by_label = {label: setting.against_pool_size(label, batch_size) for label in setting.labels}
        legend.add(_draw(axes, by_label, labels))
        medians = {one: found[1] for one in setting.pool_sizes if (found := setting.prediction(one))}
        predictions = {one: median for one, median in medians.items() if median > 0}
        if predictions:
            (legend.prediction,) = axes.plot(list(predictions), list(predictions.values()), marker=".", **_PREDICTION)
        _label(figure, [axes], setting.pool_sizes, "Pool size N")
        axes.set_title(f"B = {batch_size}", loc="left", fontsize=10)
        add_title(figure, setting.heading)
        legend.show(figure)
    return figure


def comparable_batch_size(setting: CostSetting) -> int | None:
    """Return the B at which most methods are done with two N or more; the largest such B, or None if no method is."""
    counts = Counter(
        batch_size
        for batch_size in setting.batch_sizes
        for label in setting.labels
        if sum(_has_median(cell) for cell in setting.against_pool_size(label, batch_size).values()) > 1
    )
    return max(counts, key=lambda batch_size: (counts[batch_size], batch_size), default=None)


def not_drawn(setting: CostSetting, cells_of: Callable[[str], Iterable[Cell]]) -> list[str]:
    """Return the methods that a figure of these cells does not show: no cell is over a limit or takes more than 0 s."""
    return [label for label in setting.labels if not _is_drawn(cells_of(label))]


@dataclass(frozen=True)
class _Drawn:
    """A method in one panel: how slow it is (see `_slowness`), its line, and the statuses of its open marks."""

    slowness: tuple[float, int]
    line: Line2D
    marks: set[str]


class _Legend:
    """Collects what the panels of a figure show, so that the legend can name it."""

    def __init__(self) -> None:
        self._methods: dict[str, _Drawn] = {}
        self._marks: set[str] = set()
        self.prediction: Line2D | None = None

    def add(self, drawn: Mapping[str, _Drawn]) -> None:
        """Add the methods of one panel. A method is as slow as in the panel in which it is slowest."""
        for label, one in drawn.items():
            known = self._methods.get(label, one)
            self._methods[label] = _Drawn(max(one.slowness, known.slowness), one.line, one.marks)
            self._marks |= one.marks

    def show(self, figure: Figure) -> None:
        """Name the methods, the slowest at the top, then the marks and the line of prediction."""
        order = sorted(self._methods, key=lambda label: self._methods[label].slowness, reverse=True)
        lines = [(shortened(label), self._methods[label].line) for label in order]
        for status, text in _LEGEND_MARKS.items():
            if status in self._marks:
                mark = Line2D([], [], color="#555555", linestyle=":", linewidth=0.9, marker=_MARKS[status])
                mark.set(markerfacecolor="white", markersize=7)
                lines.append((text, mark))
        if self.prediction:
            lines.append(("prediction of the pool", self.prediction))
        add_legend(figure, lines, "Median and quartiles")


def _is_drawn(cells: Iterable[Cell]) -> bool:
    return any(_has_median(cell) or cell.status in OVER_A_LIMIT for cell in cells)


def _has_median(cell: Cell) -> bool:
    """Whether a cell has a median that a logarithmic axis can show."""
    return cell.status == Status.DONE and median_selection(cell) > 0


def _slowness(cells: CellsBySize) -> tuple[float, int]:
    """Return how high a method is drawn, then minus the smallest size at which it is over the limit, to sort by."""

    def height(cell: Cell) -> float:
        if cell.status in OVER_A_LIMIT:
            return cell.condition.limits.cell_seconds
        return median_selection(cell) if cell.status == Status.DONE else 0.0

    over = min((one for one, cell in cells.items() if cell.status in OVER_A_LIMIT), default=0)
    return max(map(height, cells.values())), -over


def _draw(axes: Axes, cells_by_label: Mapping[str, CellsBySize], labels: list[str]) -> dict[str, _Drawn]:
    axes.set_xscale("log")
    axes.set_yscale("log")
    overlaps: Counter[int] = Counter()
    drawn = {}
    for above, (label, cells) in zip(reversed(range(len(cells_by_label))), cells_by_label.items(), strict=True):
        style = method_style(labels.index(label))
        # Methods that cost the same would hide one another, so each is drawn wider than those drawn over it.
        style |= {"linewidth": 1.2 + 0.15 * above, "markersize": 5.5 + 0.6 * above}
        style |= {"markeredgecolor": "white", "markeredgewidth": 0.5}
        done = {one: selection_quartiles(cell) for one, cell in cells.items() if _has_median(cell)}
        (line,) = axes.plot(list(done), [median for _, median, _ in done.values()], **style)
        if done:
            low, _, high = zip(*done.values(), strict=True)
            axes.fill_between(list(done), low, high, color=style["color"], alpha=0.2, linewidth=0)
        marks = _mark_limits(axes, cells, style["color"], overlaps)
        if done or marks:
            drawn[label] = _Drawn(_slowness(cells), line, marks)
    return drawn


def _mark_limits(axes: Axes, cells: CellsBySize, colour: str, overlaps: Counter[int]) -> set[str]:
    """Mark cells over a limit. If several methods have one at the same size, each mark is larger than the previous."""
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
