"""The figure of labels to an accuracy and area under the curve against a parameter of acquisition functions."""

import math
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from softal_bench.report.figures.drawing import (
    add_grid,
    add_legend,
    add_title,
    method_style,
    new_figure,
    page_style,
    short,
)
from softal_bench.report.stats.against import Line, Measured, lines
from softal_bench.report.stats.numbers import number, percentage
from softal_bench.report.stats.sections import Section

Triple = Callable[[Measured], tuple[float, float, float]]  # the ends of a bar, and what lies between


def against_figure(section: Section, parameter: str, target: float) -> Figure | None:
    """Draw two rows of panels, a column for each B: labels to the target above, area under the curve below.

    Args:
        section: the conditions.
        parameter: what the horizontal axis shows, logarithmic where all values are positive.
        target: a test accuracy, a fraction.

    Returns:
        The figure, or None where no trial of a function with the parameter is done.
    """
    found = {size: lines(section, size, parameter, target) for size in section.batch_sizes}
    drawn = {size: some for size, some in found.items() if _values(some)}
    if not drawn:
        return None
    names = list(dict.fromkeys(line.name for some in drawn.values() for line in some))
    values = sorted({value for some in drawn.values() for value in _values(some)})
    with page_style():
        figure = new_figure(5.2 * len(drawn) + 2.2, 6.4)
        panels = figure.subplots(2, len(drawn), sharex=True, sharey="row", squeeze=False)
        handles: dict[str, Line2D] = {}
        for column, (size, some) in enumerate(drawn.items()):
            above, below = panels[0][column], panels[1][column]
            for line in some:
                number_of = names.index(line.name)
                handles[line.name] = _draw(above, line, number_of, values, _labels_and_bar)
                _draw(below, line, number_of, values, _area_and_bar)
            above.set_title(f"B = {size}", loc="left", fontsize=10)
            _axes_of(above, below, parameter, values)
        panels[0][0].set_ylabel(f"Labels to {percentage(target)} test accuracy")
        panels[1][0].set_ylabel("Area under the accuracy curve")
        panels[1][0].yaxis.set_major_formatter(FuncFormatter(lambda fraction, _: percentage(fraction)))
        if section.heading:
            add_title(figure, section.heading)
        add_legend(figure, [(short(name), handles[name]) for name in names], "Median; mean below")
    return figure


def _values(some: list[Line]) -> list[float]:
    return [point.value for line in some for point in line.points if point.value is not None]


def _labels_and_bar(point: Measured) -> tuple[float, float, float]:
    low, median, high = point.labels
    return low, median, high


def _area_and_bar(point: Measured) -> tuple[float, float, float]:
    return point.area_low, point.area, point.area_high


def _draw(axes: Axes, line: Line, number_of: int, values: list[float], what: Triple) -> Line2D:
    """Draw a line with a bar at each point, or across all values where the function has no parameter."""
    look = method_style(number_of)
    triples = [what(point) for point in line.points]
    middles = [middle if math.isfinite(middle) else math.nan for _, middle, _ in triples]
    if line.points[0].value is None:
        (handle,) = axes.plot([values[0], values[-1]], [middles[0]] * 2, **{**look, "marker": ""})
        return handle
    places = [point.value or 0.0 for point in line.points]
    (handle,) = axes.plot(places, middles, **look)
    for place, (low, middle, high) in zip(places, triples, strict=True):
        if all(map(math.isfinite, (low, middle, high))):
            axes.plot([place, place], [low, high], color=look["color"], linewidth=0.8, alpha=0.6)
    return handle


def _axes_of(above: Axes, below: Axes, parameter: str, values: list[float]) -> None:
    add_grid(above)
    add_grid(below)
    if values[0] > 0:
        below.set_xscale("log", base=2)
        below.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _power_of_two(value)))
    below.set_xlabel(parameter)


def _power_of_two(value: float) -> str:
    """1/256 where it is one over a whole number, else the number."""
    return f"1/{number(1 / value)}" if value < 1 and (1 / value).is_integer() else number(value, 6)
