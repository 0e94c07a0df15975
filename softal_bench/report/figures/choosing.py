"""The figure of labels against seconds of acquisition."""

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
    short,
)
from softal_bench.report.stats.choosing import Aim
from softal_bench.report.stats.numbers import percentage
from softal_bench.report.stats.sections import Section
from softal_bench.report.stats.statistics import quantile

_WHOLE, _PART = 8, 5  # sizes of markers
_STEP, _MOST_GROWN = 1.2, 8.0  # by how much a marker is larger than the one over it, and than the last
_FILLS = ("full", "left", "bottom", "right", "top")  # a device each


def choosing_figure(section: Section, found: list[Aim], labels: list[str]) -> Figure | None:
    """Draw median labels to the target against median seconds of choosing them, a panel for each B.

    A large marker is all seconds of choosing, a small hollow one selection alone, a thin line joins the two. Devices
    are told apart by the part of the large marker that is filled.

    Args:
        section: the conditions.
        found: what `aims` returns for it.
        labels: all methods of the suite, so that each has the same colour in all of its figures.

    Returns:
        The figure, or None where there is nothing to draw.
    """
    drawn = [aim for aim in found if any(not point.why_not_drawn for point in aim.points)]
    if not drawn:
        return None
    with page_style():
        figure, axes = panels(len(drawn))
        handles: dict[tuple[int, str], Line2D] = {}  # by the method's number and name
        fills = dict(zip(_devices(drawn), itertools.cycle(_FILLS), strict=False))
        for one, aim in zip(axes, drawn, strict=True):
            _draw(one, aim, labels, fills, handles)
            one.set_title(f"B = {aim.batch_size}", loc="left", fontsize=10)
        log_ticks(axes[0].xaxis)  # shared by all
        figure.supxlabel("Seconds spent choosing the labels", fontsize=10)
        figure.supylabel(f"Labels to {percentage(drawn[0].target)} test accuracy (lower left is better)", fontsize=10)
        if section.heading:
            add_title(figure, section.heading)
        hollow = Line2D([], [], color="#555555", marker="o", markerfacecolor="white", markersize=_PART, linestyle="")
        lines = [(short(name), handles[number, name]) for number, name in sorted(handles)]
        add_legend(figure, [*lines, ("selection alone", hollow)], "Median over trials")
    return figure


def _devices(drawn: list[Aim]) -> list[str]:
    return sorted({point.device for aim in drawn for point in aim.points})


def _draw(
    axes: Axes, aim: Aim, labels: list[str], fills: Mapping[str, Any], handles: dict[tuple[int, str], Line2D]
) -> None:
    axes.set_xscale("log")
    shown = [point for point in aim.points if not point.why_not_drawn]
    for above, point in zip(reversed(range(len(shown))), shown, strict=True):
        number = labels.index(point.label)
        grown = above * min(_STEP, _MOST_GROWN / len(shown))
        look = {**method_style(number), "linestyle": "", "markersize": _WHOLE + grown}
        look |= {"markeredgecolor": look["color"]}
        choosing, selection = quantile(point.choosing_n, 0.5), quantile(point.selection_n, 0.5)
        if 0 < selection < choosing:
            axes.plot([selection, choosing], [point.labels] * 2, color=look["color"], linewidth=0.7, alpha=0.6)
            axes.plot(selection, point.labels, **{**look, "markersize": _PART + grown / 2, "markerfacecolor": "white"})
        # Methods that need the same would hide one another: each is drawn larger than those drawn over it.
        look |= {"fillstyle": fills[point.device], "markerfacecoloralt": "white"}
        axes.plot(choosing, point.labels, **look)
        handles[number, point.name] = Line2D([], [], **{**look, "markersize": _WHOLE})
