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
    shortened,
)
from softal_bench.report.stats.numbers import number, percentage
from softal_bench.report.stats.sweep import SweepLine, SweepPoint, sweep_lines
from softal_bench.report.stats.tables import Setting

LowMiddleHigh = tuple[float, float, float]


def sweep_figure(setting: Setting, parameter: str, target: float) -> Figure | None:
    """Draw two rows of panels with a column for each B: labels to the target above, area under the curve below.

    Args:
        setting: the conditions.
        parameter: the parameter on the horizontal axis, which is logarithmic if all values are positive.
        target: a test accuracy, as a fraction.

    Returns:
        The figure, or None if no trial of a function with the parameter is done.
    """
    found = {size: sweep_lines(setting, size, parameter, target) for size in setting.batch_sizes}
    drawn = {size: lines for size, lines in found.items() if _values(lines)}
    if not drawn:
        return None
    names = list(dict.fromkeys(line.name for lines in drawn.values() for line in lines))
    values = sorted({value for lines in drawn.values() for value in _values(lines)})
    with page_style():
        figure = new_figure(5.2 * len(drawn) + 2.2, 6.4)
        panels = figure.subplots(2, len(drawn), sharex=True, sharey="row", squeeze=False)
        handles: dict[str, Line2D] = {}
        for column, (size, lines) in enumerate(drawn.items()):
            above, below = panels[0][column], panels[1][column]
            for line in lines:
                place = names.index(line.name)
                handles[line.name] = _draw(above, line, place, values, lambda point: point.labels)
                _draw(below, line, place, values, lambda point: (point.area_low, point.area, point.area_high))
            above.set_title(f"B = {size}", loc="left", fontsize=10)
            add_grid(above)
            add_grid(below)
            if values[0] > 0:
                below.set_xscale("log", base=2)
                below.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _as_fraction(value)))
            below.set_xlabel(parameter)
        panels[0][0].set_ylabel(f"Labels to {percentage(target)} test accuracy")
        panels[1][0].set_ylabel("Area under the accuracy curve")
        panels[1][0].yaxis.set_major_formatter(FuncFormatter(lambda fraction, _: percentage(fraction)))
        if setting.heading:
            add_title(figure, setting.heading)
        add_legend(figure, [(shortened(name), handles[name]) for name in names], "Median (above), mean (below)")
    return figure


def _values(lines: list[SweepLine]) -> list[float]:
    return [point.value for line in lines for point in line.points if point.value is not None]


def _draw(
    axes: Axes, line: SweepLine, place: int, values: list[float], measured: Callable[[SweepPoint], LowMiddleHigh]
) -> Line2D:
    """Draw a line with a bar at each point; a function without the parameter is a line across all values."""
    style = method_style(place)
    bars = [measured(point) for point in line.points]
    middles = [middle if math.isfinite(middle) else math.nan for _, middle, _ in bars]
    if line.points[0].value is None:
        (handle,) = axes.plot([values[0], values[-1]], [middles[0]] * 2, **{**style, "marker": ""})
        return handle
    places = [point.value or 0.0 for point in line.points]
    (handle,) = axes.plot(places, middles, **style)
    for x, (low, middle, high) in zip(places, bars, strict=True):
        if all(map(math.isfinite, (low, middle, high))):
            axes.plot([x, x], [low, high], color=style["color"], linewidth=0.8, alpha=0.6)
    return handle


def _as_fraction(value: float) -> str:
    """Return `1/256` if the value is one over a whole number; otherwise the number."""
    return f"1/{number(1 / value)}" if value < 1 and (1 / value).is_integer() else number(value, 6)
