"""How seconds grow with B or N: the exponent of a power law, fitted to medians."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

from softal_bench.journal.lines import Status
from softal_bench.records.cells import Cell
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.statistics import CONFIDENCE, median_selection

FEWEST, LARGEST = 4, 5  # cells that a fit needs, and the largest sizes that it is made of


@dataclass(frozen=True)
class Exponent:
    """A fitted exponent, the ends of its 95 % interval, and the number of cells it was fitted to."""

    value: float
    low: float
    high: float
    num_cells: int


def exponent(cells: Mapping[int, Cell]) -> Exponent | None:
    """Fit the exponent e of seconds = a * size^e to the medians of the largest five sizes done.

    By least squares on logarithms; at smaller sizes methods compute differently, and constant costs weigh more:

        log seconds_i = log a + e * log size_i + error_i

    The interval is e +- t * standard error, with t the 97.5 % quantile of Student's distribution with n - 2 degrees of
    freedom.

    Args:
        cells: by their size, B or N.

    Returns:
        The exponent, or None with fewer than four done cells.
    """
    points = [
        (math.log(size), math.log(median_selection(cell)))
        for size, cell in sorted(cells.items())
        if cell.status == Status.DONE and median_selection(cell) > 0
    ][-LARGEST:]
    if len(points) < FEWEST:
        return None
    fit = stats.linregress(*zip(*points, strict=True))
    error = 0.0 if math.isnan(fit.stderr) else float(fit.stderr)  # SciPy has NaN where all medians are the same
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(points) - 2)) * error
    return Exponent(float(fit.slope), float(fit.slope) - reach, float(fit.slope) + reach, len(points))


def exponent_text(cells: Mapping[int, Cell]) -> str:
    """Return `exponent [95 % interval] (number of cells)`, or a dash with fewer than four done cells."""
    fitted = exponent(cells)
    if fitted is None:
        return ABSENT
    return f"{_signed(fitted.value)} [{_signed(fitted.low)}, {_signed(fitted.high)}] ({fitted.num_cells})"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # adding zero turns -0.00 into 0.00
