"""What all figures share: colours, style, panels, legends, and SVG whose bytes depend only on the journals."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from softal_bench.errors import one_line
from softal_bench.report.stats.numbers import number

# Colours of Okabe and Ito (2008), which colour-blind readers can distinguish. Grey-brown replaces yellow, which is
# hard to see on white.
_COLOURS = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#7F6A55"]
_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "p"]
_DASHES = ["-", "--", ":", "-."]
_SETTINGS = {
    "svg.hashsalt": "softal-bench",
    "svg.fonttype": "path",  # text looks the same whatever fonts the reader has
    "text.parse_math": False,  # a label may contain a dollar sign
    "font.family": "DejaVu Sans",  # shipped with Matplotlib
    "font.size": 10,
    "legend.handlelength": 3,  # long enough to show dashes
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@contextmanager
def page_style() -> Iterator[None]:
    """Draw figures in the style of the leaderboard within this context, whatever the user's settings."""
    with style.context(["default", _SETTINGS]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure on white. Call this and draw on the figure within `page_style`."""
    return Figure(figsize=(width, height), facecolor="white", layout="constrained", dpi=72)


def panels(count: int, columns: int = 2) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels in rows, with grids; panels share both axes so that they can be compared."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure(8.5 if count == 1 else 10.5, 1.2 + 2.8 * rows if rows > 1 else 4.6)
    axes = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for unused in axes[count:]:
        unused.remove()
    for place, one in enumerate(axes[:count]):
        add_grid(one)
        one.tick_params(labelleft=place % columns == 0, labelbottom=place + columns >= count)
    return figure, axes[:count]


def add_grid(axes: Axes) -> None:
    """Draw a light grid behind the data."""
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)


def log_ticks(axis: Axis) -> None:
    """Label a drawn logarithmic axis with plain numbers: powers of ten, or also 2 and 5 times these if it is short."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 30 else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 9)))
    axis.set_minor_locator(NullLocator())  # ticks without numbers say little and take as long to lay out


def method_style(number: int) -> dict[str, Any]:
    """Return the colour, line style and marker of the suite's method with this number, the same in all figures."""
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": _DASHES[number // len(_COLOURS) % len(_DASHES)],
        "linewidth": 1.6,
        "marker": _MARKERS[(number + number // len(_COLOURS)) % len(_MARKERS)],
        "markersize": 4,
    }


def add_title(figure: Figure, text: str) -> None:
    """Write one line of text above all panels, cut so that it ends before the legend."""
    figure.suptitle(shortened(text, 75), x=0.01, horizontalalignment="left", fontsize=10)


def add_legend(figure: Figure, lines: Sequence[tuple[str, Line2D]], title: str) -> None:
    """Add a legend next to the axes with the given texts and lines, in their order. Texts need not be distinct.

    Matplotlib leaves out labels that start with an underscore, but not texts that are set afterwards.
    """
    legend = figure.legend(
        [line for _, line in lines],
        ["line"] * len(lines),
        loc="outside right upper",
        frameon=False,
        title=title,
        alignment="left",
    )
    for shown, (text, _) in zip(legend.get_texts(), lines, strict=True):
        shown.set_text(text)


def add_small_text(axes: Axes, text: str, x: float, y: float) -> Text:
    """Write small text at a fraction x of the width of the axes and at the data coordinate y."""
    return axes.annotate(
        text,
        (x, y),
        xycoords=("axes fraction", "data"),
        xytext=(3, 0),
        textcoords="offset points",
        verticalalignment="center",
        fontsize=8,
        color="#555555",
    )


def shortened(label: str, limit: int = 40) -> str:
    """Return a label on one line, cut if it is too long for a legend."""
    line = one_line(label)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def to_svg(figure: Figure) -> bytes:
    """Return a figure as SVG, without the date or anything else that differs between calls."""
    buffer = io.BytesIO()
    with page_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # it is drawn as a box
        _lay_out(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "softal-bench"})
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Run the layout engine now, because `savefig` would draw the whole figure once more to do so."""
    engine = figure.get_layout_engine()
    if engine is not None:
        FigureCanvasSVG(figure)  # so that texts are measured as they will be drawn
        engine.execute(figure)
        figure.set_layout_engine(None)
