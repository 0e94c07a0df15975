"""Figures of learning curves: accuracy, epochs and acquired scores against the size of the training set."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from softal_bench.report.figures.drawing import (
    add_grid,
    add_legend,
    add_small_text,
    method_style,
    new_figure,
    page_style,
    shortened,
)
from softal_bench.report.stats.curves import Curve, RoundMeans, acquired_score, curve, epochs_run, round_means
from softal_bench.report.stats.numbers import percentage
from softal_bench.report.stats.tables import Setting

_LABELS = "Labels (size of the training set)"


def accuracy_figure(setting: Setting, batch_size: int, labels: list[str], targets: list[float]) -> Figure | None:
    """Draw mean test accuracy against labels with its 95 % interval, a line for each method with this B.

    Args:
        setting: the conditions.
        batch_size: B.
        labels: all methods of the suite, so that each has the same colour in all figures.
        targets: accuracies to draw as thin lines.

    Returns:
        The figure, or None if no trial with this B is done.
    """
    results = {label: setting.conditions.get((label, batch_size)) for label in labels}
    curves = {label: drawn for label, one in results.items() if one and (drawn := curve(one))}
    if not curves:
        return None
    with page_style():
        figure = new_figure(8.5, 4.6)
        axes = figure.subplots()
        add_grid(axes)
        for target in targets:
            axes.axhline(target, color="#888888", linewidth=0.8, linestyle=(0, (4, 3)), gid=f"target-{target:g}")
        handles = {label: _draw_curve(axes, drawn, labels.index(label)) for label, drawn in curves.items()}
        title = f"Acquisition batch size B = {batch_size}"
        title = f"{title}, {shortened(setting.heading)}" if setting.heading else title
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel(_LABELS)
        axes.set_ylabel("Test accuracy")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda fraction, _: percentage(fraction)))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.margins(x=0.01)
        for target in targets:
            add_small_text(axes, percentage(target), 1, target)
        # The legend lists the methods as the lines end: the most accurate one is at the top.
        order = sorted(handles, key=lambda label: -curves[label].mean_L[-1])
        lines = [(f"{shortened(label)} (n = {curves[label].num_trials})", handles[label]) for label in order]
        add_legend(figure, lines, "Mean and 95 % bootstrap interval")
    return figure


def epochs_and_scores_figure(setting: Setting, batch_size: int, labels: Sequence[str]) -> Figure | None:
    """Draw the epochs run and the mean score of the acquired batch against labels, a line for each method with this B.

    Args:
        setting: the conditions.
        batch_size: B.
        labels: all methods of the suite, so that each has the same colour in all figures.

    Returns:
        The figure, or None if no trial with this B records epochs.
    """
    results = {label: one for label in labels if (one := setting.conditions.get((label, batch_size)))}
    epochs = {label: drawn for label, one in results.items() if (drawn := round_means(one, epochs_run))[0]}
    scores = {label: drawn for label, one in results.items() if (drawn := round_means(one, acquired_score))[0]}
    if not epochs:
        return None
    with page_style():
        figure = new_figure(10.5, 4.2)
        left, right = figure.subplots(1, 2)
        lines = {label: _draw_means(left, drawn, labels.index(label)) for label, drawn in epochs.items()}
        for label, drawn in scores.items():
            _draw_means(right, drawn, labels.index(label))
        for axes, name in ((left, "Epochs run"), (right, "Mean score of the acquired batch")):
            add_grid(axes)
            axes.set_xlabel(_LABELS)
            axes.set_title(f"{name}, B = {batch_size}", loc="left", fontsize=11)
        add_legend(figure, [(shortened(label), line) for label, line in lines.items()], "Mean over trials")
    return figure


def _draw_curve(axes: Axes, drawn: Curve, number: int) -> Line2D:
    every = max(1, len(drawn.labels_L) // 8)
    style = method_style(number)
    (line,) = axes.plot(drawn.labels_L, drawn.mean_L, **style, markevery=(number % every, every))
    axes.fill_between(drawn.labels_L, drawn.low_L, drawn.high_L, color=style["color"], alpha=0.15, linewidth=0)
    return line


def _draw_means(axes: Axes, drawn: RoundMeans, number: int) -> Line2D:
    every = max(1, len(drawn[0]) // 8)
    (line,) = axes.plot(*drawn, **method_style(number), markevery=(number % every, every))
    return line
