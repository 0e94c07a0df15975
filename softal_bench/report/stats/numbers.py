"""How tables and figures show numbers."""

import math
from collections.abc import Sequence

import numpy as np

from softal_bench.report.stats.statistics import quartiles

ABSENT = "\N{EN DASH}"
MIB = 2**20


def number(value: float, decimals: int = 2) -> str:
    """Return a number with at most `decimals` decimals and without an exponent; ∞ for infinity.

    >>> number(108.75), number(120.0), number(math.inf)
    ('108.75', '120', '∞')
    """
    return "∞" if value == math.inf else np.format_float_positional(value, precision=decimals, trim="-")


def percentage(fraction: float) -> str:
    """Return a fraction in per cent, with at most four decimals.

    >>> percentage(0.95), percentage(0.975)
    ('95 %', '97.5 %')
    """
    return f"{number(100 * fraction, 4)} %"


def significant(value: float) -> str:
    """Return a non-negative number with three significant digits and without an exponent; ∞ for infinity.

    >>> significant(0.0123456), significant(1.5), significant(99.99), significant(1234.5), significant(0.0)
    ('0.0123', '1.50', '100', '1234', '0')
    """
    if value in (0, math.inf):
        return "∞" if value else "0"
    rounded = float(f"{value:.3g}")
    decimals = max(0, 2 - math.floor(math.log10(rounded)))
    return f"{value:.{decimals}f}"


def median_and_quartiles(samples: Sequence[float]) -> str:
    """Return `median [25 %, 75 % quantile]` with three significant digits.

    Without samples this is a dash; if all samples are 0, it is `0`.

    >>> median_and_quartiles([1.0, 2.0, 3.0, 4.0, 5.0])
    '3.00 [2.00, 4.00]'
    >>> median_and_quartiles([0.0, 0.0])
    '0'
    """
    if not samples:
        return ABSENT
    if not any(samples):
        return "0"
    low, median, high = map(significant, quartiles(samples))
    return f"{median} [{low}, {high}]"


def size(count: int) -> str:
    """Return a count as text; from 10 000 on, spaces separate the thousands.

    >>> size(1000), size(10_000), size(1_000_000)
    ('1000', '10 000', '1 000 000')
    """
    return str(count) if count < 10_000 else f"{count:,}".replace(",", " ")
