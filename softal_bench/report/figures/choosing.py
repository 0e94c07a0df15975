"""The figure of labels to an accuracy against the seconds spent choosing them."""

import itertools
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softal_bench.report.figures.drawing import (
    add_legend,
    add_title,
    log_ticks,
    method_style,
    page_style,
    panels,
    shortened,
)
from softal_bench.report.stats.choosing import ChoosingPanel
from softal_bench.report.stats.numbers import percentage
from softal_bench.report.stats.statistics import quantile

_LARGE, _SMALL = 8, 5  # sizes of markers
_STEP, _MOST_GROWTH = 1.2, 8.0  # of a marker over the one that is drawn over it, and over the smallest
_FILLS = ("full", "left", "bottom", "right", "top")  # one for each device


def choosing_figure(heading: str, found: list[ChoosingPanel], labels: list[str]) -> Figure | None:
    """Draw the median labels to the target against the median seconds of choosing them, a panel for each B.

    A large marker shows all seconds of choosing and a small hollow marker those of selection alone; a thin line joins
    the two. Large markers are filled differently for each device.

    Args:
        heading: the heading of the setting, which may be empty.
        found: the panels.
        labels: all methods of the suite, so that each has the same colour in all figures.

    Returns:
        The figure, or None if no point can be drawn.
    """
    drawn = [panel for panel in found if any(not point.why_not_drawn for point in panel.points)]
    if not drawn:
        return None
    devices = sorted({point.device for panel in drawn for point in panel.points})
    fills = dict(zip(devices, itertools.cycle(_FILLS), strict=False))
    with page_style():
        figure, axes = panels(len(drawn))
        handles: dict[tuple[int, str], Line2D] = {}  # by the method's number and name
        for one, panel in zip(axes, drawn, strict=True):
            _draw(one, panel, labels, fills, handles)
            one.set_title(f"B = {panel.batch_size}", loc="left", fontsize=10)
        log_ticks(axes[0].xaxis)  # all panels share it
        figure.supxlabel("Seconds spent choosing the labels", fontsize=10)
        figure.supylabel(f"Labels to {percentage(drawn[0].target)} test accuracy (lower left is better)", fontsize=10)
        if heading:
            add_title(figure, heading)
        hollow = Line2D([], [], color="#555555", marker="o", markerfacecolor="white", markersize=_SMALL, linestyle="")
        lines = [(shortened(name), handles[number, name]) for number, name in sorted(handles)]
        add_legend(figure, [*lines, ("selection alone", hollow)], "Median over trials")
    return figure


def _draw(
    axes: Axes,
    panel: ChoosingPanel,
    labels: list[str],
    fills: Mapping[str, Any],
    handles: dict[tuple[int, str], Line2D],
) -> None:
    axes.set_xscale("log")
    shown = [point for point in panel.points if not point.why_not_drawn]
    for above, point in zip(reversed(range(len(shown))), shown, strict=True):
        number = labels.index(point.label)
        # Methods that need the same would hide one another, so each is drawn larger than those drawn over it.
        growth = above * min(_STEP, _MOST_GROWTH / len(shown))
        style = {**method_style(number), "linestyle": "", "markersize": _LARGE + growth}
        style |= {"markeredgecolor": style["color"]}
        choosing, selection = quantile(point.choosing_n, 0.5), quantile(point.selection_n, 0.5)
        if 0 < selection < choosing:
            axes.plot([selection, choosing], [point.labels] * 2, color=style["color"], linewidth=0.7, alpha=0.6)
            hollow = {**style, "markersize": _SMALL + growth / 2, "markerfacecolor": "white"}
            axes.plot(selection, point.labels, **hollow)
        style |= {"fillstyle": fills[point.device], "markerfacecoloralt": "white"}
        axes.plot(choosing, point.labels, **style)
        handles[number, point.name] = Line2D([], [], **{**style, "markersize": _LARGE})
