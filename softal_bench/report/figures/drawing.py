"""What all figures share: colours, settings, legend, and SVG that is the same bytes for the same journals."""

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

# Okabe and Ito (2008), with a grey-brown for the yellow that white swallows: colours that the colour-blind tell apart.
_COLOURS = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#7F6A55"]
_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "p"]
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


@contextmanager
def page_style() -> Iterator[None]:
    """Within it, figures are drawn with the settings of the leaderboard, whatever the user's own."""
    with style.context(["default", _SETTINGS]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure on white; to be called, and drawn on, within `page_style`."""
    return Figure(figsize=(width, height), facecolor="white", layout="constrained", dpi=72)


def panels(count: int, columns: int = 2) -> tuple[Figure, list[Axes]]:
    """Return a figure of so many axes in rows, with a grid; both axes are shared, so that panels can be compared."""
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
    """Label a drawn logarithmic axis in plain numbers: powers of ten, or 1, 2 and 5 of each where it is short."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 30 else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 9)))
    axis.set_minor_locator(NullLocator())  # a mark without a number says little, and takes as long to lay out


def method_style(number: int) -> dict[str, Any]:
    """Return colour, line style and marker of the suite's method of this number, the same in all figures."""
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": _DASHES[number // len(_COLOURS) % len(_DASHES)],
        "linewidth": 1.6,
        "marker": _MARKERS[(number + number // len(_COLOURS)) % len(_MARKERS)],
        "markersize": 4,
    }


def add_title(figure: Figure, text: str) -> None:
    """Write one line over all panels, from the left, so that it ends before the legend."""
    figure.suptitle(short(text, 75), x=0.01, horizontalalignment="left", fontsize=10)


def add_legend(figure: Figure, lines: Sequence[tuple[str, Line2D]], title: str) -> None:
    """Name lines beside the axes, in the order given, each by its text; texts need not differ.

    Matplotlib leaves a label out that starts with an underscore; a text set afterwards it does not.
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


def small(axes: Axes, text: str, x: float, y: float) -> Text:
    """Write small text right of the axes or at a point of them, in data coordinates of y and fractions of x."""
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


def short(label: str, limit: int = 40) -> str:
    """Return a label on one line, cut where it is too long for a legend."""
    line = one_line(label)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def to_svg(figure: Figure) -> bytes:
    """Return a figure as SVG, without the date or anything else that changes from one call to the next."""
    buffer = io.BytesIO()
    with page_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as a box
        _lay_out(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "softal-bench"})
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Let the layout engine place everything now; left to `savefig`, it draws the figure once more for nothing."""
    engine = figure.get_layout_engine()
    if engine is not None:
        FigureCanvasSVG(figure)  # texts are measured as they will be drawn
        engine.execute(figure)
        figure.set_layout_engine(None)
