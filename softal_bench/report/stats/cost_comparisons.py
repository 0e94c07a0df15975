"""Comparisons between cost cells: ratios of seconds, agreement of batches, and growth with B or N."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from softal_bench.journal.lines import Status
from softal_bench.records.cells import Cell
from softal_bench.report.stats.cost import CostSetting, cell_status_text, median_selection, selection_quartiles
from softal_bench.report.stats.numbers import ABSENT, significant, size
from softal_bench.report.stats.statistics import CONFIDENCE
from softal_bench.report.stats.tables import METHOD, Table
from softal_bench.suite.keys import Ratio

FEWEST, LARGEST = 4, 5  # the number of cells that a fit needs, and the number of largest sizes that it uses
NOT_RECORDED = "not recorded"


def ratio_table(setting: CostSetting, ratio: Ratio) -> Table:
    """Return the ratios of seconds that the suite asks for: a row for each pair of methods and N, a column for each B.

    The text is the ratio of the medians, followed in brackets by the narrowest range that contains q / r for every q
    between the quartiles of the numerator and every r between those of the denominator. There are no brackets if one of
    the two cells has fewer samples than the suite asks for.
    """
    methods = [(of, to) for of in setting.named(ratio.of) for to in setting.named([ratio.to]) if of != to]
    pairs = {f"{of} / {to}": (of, to) for of, to in methods}
    cells = _table_of_pairs(setting, pairs, _ratio)
    return Table("Ratio of seconds of one selection", cells.rename_axis("Ratio of seconds"))


def agreement_table(setting: CostSetting, group: Sequence[str]) -> Table:
    """Compare the batches of a group of methods, given by names or labels, with those of its first method.

    There is a row for each pair of methods and N, and a column for each B. The text is `all 50`, `all 50, in another
    order`, or `37 of 50, the first 5 in order`: the number of points that both batches contain, and the number of
    points at the beginning that are the same in both. If one of the two cells is not done, the text is its status.
    """
    pairs = {
        f"{label} / {reference}": (reference, label)
        for reference in setting.named(group[:1])
        for label in setting.named(group)
        if label != reference
    }
    cells = _table_of_pairs(setting, pairs, _agreement)
    return Table(f"Points of the batch in common with {group[0]}", cells.rename_axis("Batches"))


def agreement(reference: Sequence[int], other: Sequence[int]) -> str:
    """Describe how far two batches of the same size agree.

    >>> agreement([4, 2, 9], [4, 2, 9]), agreement([4, 2, 9], [2, 4, 9]), agreement([4, 2, 9], [4, 7, 2])
    ('all 3', 'all 3, in another order', '2 of 3, the first 1 in order')
    """
    common = len(set(reference) & set(other))
    if common == len(reference):
        return f"all {common}" if list(reference) == list(other) else f"all {common}, in another order"
    pairs = zip(reference, other, strict=True)
    first = next(place for place, (one, another) in enumerate(pairs) if one != another)
    return f"{common} of {len(reference)}, the first {first} in order"


def growth_tables(setting: CostSetting) -> list[Table]:
    """Return the exponents of growth in B at each N, and in N at each B, without columns that have none."""

    def frame(sizes: list[int], symbol: str, cells: Callable[[str, int], Mapping[int, Cell]]) -> pd.DataFrame:
        rows = [[exponent_text(cells(label, size_)) for size_ in sizes] for label in setting.labels]
        columns = [f"{symbol} = {size(size_)}" for size_ in sizes]
        whole = pd.DataFrame(rows, index=pd.Index(setting.labels, name=METHOD), columns=columns, dtype=object)
        return whole.loc[:, (whole != ABSENT).any()]

    in_batch_size = frame(setting.pool_sizes, "N", setting.against_batch_size)
    in_pool_size = frame(setting.batch_sizes, "B", setting.against_pool_size)
    tables = [Table("Exponent of B", in_batch_size), Table("Exponent of N", in_pool_size)]
    return [table for table in tables if len(table.cells.columns)]


@dataclass(frozen=True)
class Exponent:
    """A fitted exponent, the ends of its 95 % interval, and the number of cells that it was fitted to."""

    value: float
    low: float
    high: float
    num_cells: int


def exponent(cells: Mapping[int, Cell]) -> Exponent | None:
    """Fit the exponent e of seconds = a * size^e to the medians of the five largest sizes that are done.

    The fit is by least squares on logarithms:

        log seconds_i = log a + e * log size_i + error_i

    The interval is e +- t * standard error, with t the 97.5 % quantile of Student's distribution with n - 2 degrees of
    freedom. Smaller sizes are left out because methods compute differently there, and constant costs weigh more.

    Args:
        cells: the cells by size, which is B or N.

    Returns:
        The exponent, or None if fewer than four cells are done.
    """
    points = [
        (math.log(size), math.log(median_selection(cell)))
        for size, cell in sorted(cells.items())
        if cell.status == Status.DONE and median_selection(cell) > 0
    ][-LARGEST:]
    if len(points) < FEWEST:
        return None
    fit = stats.linregress(*zip(*points, strict=True))
    error = 0.0 if math.isnan(fit.stderr) else float(fit.stderr)  # SciPy returns NaN if all medians are equal
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(points) - 2)) * error
    return Exponent(float(fit.slope), float(fit.slope) - reach, float(fit.slope) + reach, len(points))


def exponent_text(cells: Mapping[int, Cell]) -> str:
    """Return `exponent [95 % interval] (number of cells)`, or a dash if fewer than four cells are done."""
    fitted = exponent(cells)
    if fitted is None:
        return ABSENT
    # Adding zero turns -0.00 into 0.00.
    value, low, high = (f"{round(one, 2) + 0.0:.2f}" for one in (fitted.value, fitted.low, fitted.high))
    return f"{value} [{low}, {high}] ({fitted.num_cells})"


def _table_of_pairs(
    setting: CostSetting, pairs: Mapping[str, tuple[str, str]], text: Callable[[Cell, Cell], str]
) -> pd.DataFrame:
    """Return `text` of the cells of each pair of methods: a row for each pair and N, a column for each B.

    If a cell is not done, the text is its status; if both are not, that of the first. Pairs that have no cells with an
    N are left out.

    Args:
        setting: the cells.
        pairs: the row's name, and the labels of the two methods.
        text: compares two cells that are done.
    """

    def shown(pair: tuple[str, str], pool_size: int, batch_size: int) -> str:
        cells = [setting.cells.get((label, pool_size, batch_size)) for label in pair]
        for cell in cells:
            if cell is None or cell.status != Status.DONE:
                return cell_status_text(cell) if cell else ABSENT
        first, second = (cell for cell in cells if cell)
        return text(first, second)

    rows = [
        [name, size(pool_size), *(shown(pair, pool_size, batch_size) for batch_size in setting.batch_sizes)]
        for name, pair in pairs.items()
        for pool_size in setting.pool_sizes
        if all(setting.against_batch_size(label, pool_size) for label in pair)
    ]
    columns = [METHOD, "N", *(f"B = {batch_size}" for batch_size in setting.batch_sizes)]
    return pd.DataFrame(rows, columns=columns, dtype=object).set_index(METHOD)


def _ratio(of: Cell, to: Cell) -> str:
    (low, median, high), (low_to, median_to, high_to) = selection_quartiles(of), selection_quartiles(to)
    if not low_to:
        return ABSENT
    ratio = significant(median / median_to)
    if not (of.has_enough_samples and to.has_enough_samples):
        return ratio
    return f"{ratio} [{significant(low / high_to)}, {significant(high / low_to)}]"


def _agreement(reference: Cell, other: Cell) -> str:
    expected, acquired = (cell.line.acquired if cell.line else None for cell in (reference, other))
    return NOT_RECORDED if expected is None or acquired is None else agreement(expected, acquired)
