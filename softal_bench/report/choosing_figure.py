"""The figure of labels against seconds of acquisition."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softal_bench.report.choosing import Aim
from softal_bench.report.drawing import add_legend, add_title, log_ticks, method_style, page_style, panels, short
from softal_bench.report.numbers import percentage
from softal_bench.report.sections import Section
from softal_bench.report.statistics import quantile

_WHOLE, _PART = 8, 5


def choosing_figure(section: Section, found: list[Aim], labels: list[str]) -> Figure | None:
    """Draw median labels to the target against median seconds of choosing them, a panel for each B.

    A filled marker is all seconds of choosing, a hollow one selection alone, a thin line joins the two.

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
        for one, aim in zip(axes, drawn, strict=True):
            _draw(one, aim, labels, handles)
            one.set_title(f"B = {aim.batch_size}, to {percentage(aim.target or 0)}", loc="left", fontsize=10)
        log_ticks(axes[0].xaxis)  # shared by all
        figure.supxlabel("Seconds spent choosing the labels", fontsize=10)
        figure.supylabel("Labels (lower left is better)", fontsize=10)
        if section.heading:
            add_title(figure, section.heading)
        hollow = Line2D([], [], color="#555555", marker="o", markerfacecolor="white", markersize=_PART, linestyle="")
        lines = {short(name): handles[number, name] for number, name in sorted(handles)}
        add_legend(figure, {**lines, "selection alone": hollow}, "Median over trials")
    return figure


def _draw(axes: Axes, aim: Aim, labels: list[str], handles: dict[tuple[int, str], Line2D]) -> None:
    axes.set_xscale("log")
    for point in aim.points:
        if point.why_not_drawn:
            continue
        number = labels.index(point.label)
        look = {**method_style(number), "linestyle": "", "markersize": _WHOLE}
        choosing, selection = quantile(point.choosing_n, 0.5), quantile(point.selection_n, 0.5)
        if 0 < selection < choosing:
            axes.plot([selection, choosing], [point.labels] * 2, color=look["color"], linewidth=0.7, alpha=0.6)
            axes.plot(selection, point.labels, **{**look, "markersize": _PART, "markerfacecolor": "white"})
        (handles[number, point.name],) = axes.plot(choosing, point.labels, **look)
