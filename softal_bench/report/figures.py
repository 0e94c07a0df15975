"""Accuracy curves as SVG, the same bytes for the same journals."""

import io
import warnings

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from softal_bench.report.curves import Curve, curve
from softal_bench.report.markdown import one_line
from softal_bench.report.sections import Section
from softal_bench.report.tables import percentage

# Okabe and Ito (2008), less the yellow that white swallows: colours that the colour-blind tell apart.
_COLOURS = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"]
_MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
_DASHES = ["-", "--", ":", "-."]
_SETTINGS = {
    "svg.hashsalt": "softal-bench",
    "svg.fonttype": "path",  # a page looks the same wherever it is read
    "text.parse_math": False,  # a label may hold a dollar sign
    "font.family": "DejaVu Sans",  # comes with Matplotlib
    "font.size": 10,
    "legend.handlelength": 3,  # shows dashes
    "axes.spines.top": False,
    "axes.spines.right": False,
}


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
    with style.context(["default", _SETTINGS]):
        figure = Figure(figsize=(8.5, 4.6), facecolor="white", layout="constrained")
        axes = figure.subplots()
        axes.grid(color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
        for target in targets:
            axes.axhline(target, color="#888888", linewidth=0.8, linestyle=(0, (4, 3)), gid=f"target-{target:g}")
        handles = {label: _draw(axes, drawn, labels.index(label)) for label, drawn in curves.items()}
        title = f"Acquisition batch size B = {batch_size}"
        _label_axes(axes, f"{title}, {_short(section.heading)}" if section.heading else title, targets)
        _legend(figure, handles, curves)
    return figure


def to_svg(figure: Figure) -> bytes:
    """Return a figure as SVG, without the date or anything else that changes from one call to the next."""
    buffer = io.BytesIO()
    with style.context(["default", _SETTINGS]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as a box
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "softal-bench"})
    return buffer.getvalue()


def _draw(axes: Axes, drawn: Curve, number: int) -> Line2D:
    colour = _COLOURS[number % len(_COLOURS)]
    every = max(1, len(drawn.labels_L) // 8)
    (line,) = axes.plot(
        drawn.labels_L,
        drawn.mean_L,
        color=colour,
        linestyle=_DASHES[number // len(_COLOURS) % len(_DASHES)],
        linewidth=1.6,
        marker=_MARKERS[(number + number // len(_COLOURS)) % len(_MARKERS)],
        markersize=4,
        markevery=(number % every, every),
    )
    axes.fill_between(drawn.labels_L, drawn.low_L, drawn.high_L, color=colour, alpha=0.15, linewidth=0)
    return line


def _label_axes(axes: Axes, title: str, targets: list[float]) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("Labels (size of the training set)")
    axes.set_ylabel("Test accuracy")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda fraction, _: percentage(fraction)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.01)
    for target in targets:
        axes.annotate(
            percentage(target),
            (1, target),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            verticalalignment="center",
            fontsize=8,
            color="#555555",
        )


def _legend(figure: Figure, handles: dict[str, Line2D], curves: dict[str, Curve]) -> None:
    """Name the methods beside the axes, the most accurate at the end on top, as the lines are."""
    order = sorted(handles, key=lambda label: -curves[label].mean_L[-1])
    legend = figure.legend(
        [handles[label] for label in order],
        ["method"] * len(order),  # Matplotlib leaves out a label that starts with an underscore; set_text does not
        loc="outside right upper",
        frameon=False,
        title="Mean and 95 % interval",
        alignment="left",
    )
    for text, label in zip(legend.get_texts(), order, strict=True):
        text.set_text(f"{_short(label)} (n = {curves[label].num_trials})")


def _short(label: str, limit: int = 40) -> str:
    line = one_line(label)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
