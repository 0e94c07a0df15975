"""Accuracy curves as figures."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from softal_bench.report.figures.drawing import add_grid, add_legend, method_style, new_figure, page_style, short, small
from softal_bench.report.stats.curves import Curve, curve
from softal_bench.report.stats.numbers import percentage
from softal_bench.report.stats.sections import Section


def accuracy_figure(section: Section, batch_size: int, labels: list[str], targets: list[float]) -> Figure | None:
    """Draw mean test accuracy against labels with its 95 % interval, a line for each method with this B.

    Args:
        section: the conditions.
        batch_size: B.
        labels: all methods of the suite, so that each has the same colour in all of its figures.
        targets: accuracies drawn as thin lines.

    Returns:
        The figure, or None where no trial with this B is done.
    """
    cells = {label: section.cells.get((label, batch_size)) for label in labels}
    curves = {label: drawn for label, cell in cells.items() if cell and (drawn := curve(cell))}
    if not curves:
        return None
    with page_style():
        figure = new_figure(8.5, 4.6)
        axes = figure.subplots()
        add_grid(axes)
        for target in targets:
            axes.axhline(target, color="#888888", linewidth=0.8, linestyle=(0, (4, 3)), gid=f"target-{target:g}")
        handles = {label: _draw(axes, drawn, labels.index(label)) for label, drawn in curves.items()}
        title = f"Acquisition batch size B = {batch_size}"
        _label_axes(axes, f"{title}, {short(section.heading)}" if section.heading else title, targets)
        _legend(figure, handles, curves)
    return figure


def _draw(axes: Axes, drawn: Curve, number: int) -> Line2D:
    every = max(1, len(drawn.labels_L) // 8)
    look = method_style(number)
    (line,) = axes.plot(drawn.labels_L, drawn.mean_L, **look, markevery=(number % every, every))
    axes.fill_between(drawn.labels_L, drawn.low_L, drawn.high_L, color=look["color"], alpha=0.15, linewidth=0)
    return line


def _label_axes(axes: Axes, title: str, targets: list[float]) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("Labels (size of the training set)")
    axes.set_ylabel("Test accuracy")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda fraction, _: percentage(fraction)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.margins(x=0.01)
    for target in targets:
        small(axes, percentage(target), 1, target)


def _legend(figure: Figure, handles: dict[str, Line2D], curves: dict[str, Curve]) -> None:
    """Name the methods beside the axes, the most accurate at the end on top, as the lines are."""
    order = sorted(handles, key=lambda label: -curves[label].mean_L[-1])
    lines = [(f"{short(label)} (n = {curves[label].num_trials})", handles[label]) for label in order]
    add_legend(figure, lines, "Mean and 95 % bootstrap interval")
