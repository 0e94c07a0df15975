"""The tables of a cost suite as text in data frames."""

from collections.abc import Callable, Mapping

import pandas as pd

from softal_bench.journal.lines import Status
from softal_bench.records.cells import Cell, CostResults
from softal_bench.report.stats.cost_settings import Setting, settings
from softal_bench.report.stats.growth import exponent_text
from softal_bench.report.stats.numbers import ABSENT, MIB, median_and_quartiles, number, significant, size
from softal_bench.report.stats.statistics import median_selection, selection_quartiles
from softal_bench.report.stats.tables import METHOD, Table, by_batch_size
from softal_bench.suite.keys import Ratio

_SPREAD = "median [quartiles] (samples)"


def cost_tables(results: CostResults) -> list[Table]:
    """Return compact tables of the median seconds of one selection, one for each setting and N: methods by B."""
    return [
        Table(
            f"Median seconds of one selection, {setting.heading}, N = {size(pool_size)}",
            _grid(setting, pool_size, lambda cell: significant(median_selection(cell))),
        )
        for setting in settings(results)
        for pool_size in setting.pool_sizes
    ]


def seconds_table(setting: Setting, pool_size: int) -> Table:
    """Return the seconds of one selection from N points: median, quartiles and number of a cell's samples."""
    return Table(f"Seconds of one selection, {_SPREAD}", _grid(setting, pool_size, _seconds))


def share_table(setting: Setting, pool_size: int) -> Table | None:
    """Return the median seconds of one selection as a share of those of prediction; None without prediction."""
    prediction = setting.prediction(pool_size)
    if not prediction or not prediction[1]:
        return None
    median = prediction[1]
    cells = _grid(setting, pool_size, lambda cell: f"{significant(100 * median_selection(cell) / median)} %")
    return Table("Selection as a share of prediction, of medians", cells)


def memory_table(setting: Setting, pool_size: int) -> Table:
    """Return the growth of peak memory during one selection in MiB (2^20 bytes)."""

    def text(cell: Cell) -> str:
        peak_bytes = cell.line.peak_bytes if cell.line else None
        return ABSENT if peak_bytes is None else significant(peak_bytes / MIB)

    return Table("Peak memory of one selection beyond the pool's log-probs, MiB", _grid(setting, pool_size, text))


def ratio_table(setting: Setting, ratio: Ratio) -> Table:
    """Return the ratios of seconds that the suite asks for: a row for each pair of methods and N, a column for each B.

    A cell is the ratio of medians, and in brackets the narrowest range that holds q / r for every q between the
    quartiles of the numerator and r between those of the denominator; without brackets where one of the two has fewer
    samples than the suite asks for.
    """
    rows = [
        {METHOD: f"{of} / {to}", "N": size(pool_size)}
        | {f"B = {batch_size}": _ratio(setting, (of, to), pool_size, batch_size) for batch_size in setting.batch_sizes}
        for of in setting.named(ratio.of)
        for to in setting.named([ratio.to])
        for pool_size in setting.pool_sizes
        if of != to and all(setting.against_batch_size(label, pool_size) for label in (of, to))
    ]
    columns = [METHOD, "N", *(f"B = {batch_size}" for batch_size in setting.batch_sizes)]
    cells = pd.DataFrame(rows, columns=columns, dtype=object).set_index(METHOD).rename_axis("Ratio of seconds")
    return Table("Ratio of seconds of one selection", cells)


def growth_tables(setting: Setting) -> list[Table]:
    """Return the exponents of growth in B at each N, and in N at each B; without columns that have none."""

    def frame(sizes: list[int], symbol: str, cells: Callable[[str, int], Mapping[int, Cell]]) -> pd.DataFrame:
        rows = [[exponent_text(cells(label, size_)) for size_ in sizes] for label in setting.labels]
        columns = [f"{symbol} = {size(size_)}" for size_ in sizes]
        whole = pd.DataFrame(rows, index=pd.Index(setting.labels, name=METHOD), columns=columns, dtype=object)
        return whole.loc[:, (whole != ABSENT).any()]

    in_batch_size = frame(setting.pool_sizes, "N", setting.against_batch_size)
    in_pool_size = frame(setting.batch_sizes, "B", setting.against_pool_size)
    tables = [Table("Exponent of B", in_batch_size), Table("Exponent of N", in_pool_size)]
    return [table for table in tables if len(table.cells.columns)]


def standing(cell: Cell) -> str:
    """Return how a cell stands that is not done: `timeout (cell over 20 s)`, `out of memory`, `not run`, ..."""
    if cell.status == "timeout":
        return f"timeout (cell over {number(cell.condition.limits.cell_seconds)} s)"
    return cell.status.words


def _grid(setting: Setting, pool_size: int, text: Callable[[Cell], str]) -> pd.DataFrame:
    def shown(label: str, batch_size: int) -> str:
        cell = setting.cells.get((label, pool_size, batch_size))
        if cell is None:
            return ABSENT
        return text(cell) if cell.status == Status.DONE else standing(cell)

    return by_batch_size(*setting.at_pool_size(pool_size), shown)


def _seconds(cell: Cell) -> str:
    return f"{median_and_quartiles(cell.samples)} ({len(cell.samples)})"


def _ratio(setting: Setting, pair: tuple[str, str], pool_size: int, batch_size: int) -> str:
    cells = [setting.cells.get((label, pool_size, batch_size)) for label in pair]
    for cell in cells:
        if cell is None or cell.status != Status.DONE:
            return standing(cell) if cell else ABSENT
    of, to = (cell for cell in cells if cell)
    (low, median, high), (low_to, median_to, high_to) = selection_quartiles(of), selection_quartiles(to)
    if not low_to:
        return ABSENT
    ratio = significant(median / median_to)
    if not (of.has_enough_samples and to.has_enough_samples):
        return ratio
    return f"{ratio} [{significant(low / high_to)}, {significant(high / low_to)}]"
