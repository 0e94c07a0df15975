"""Whether acquisition functions that should choose the same batch do: their first selections, compared by position."""

from collections.abc import Sequence

import pandas as pd

from softal_bench.journal.lines import Status
from softal_bench.records.cells import Cell
from softal_bench.report.stats.cost_settings import Setting
from softal_bench.report.stats.cost_tables import standing
from softal_bench.report.stats.numbers import ABSENT, size
from softal_bench.report.stats.tables import METHOD, Table

NOT_RECORDED = "not recorded"


def agreement_table(setting: Setting, group: Sequence[str]) -> Table:
    """Compare the batches of a group, by name or label, with those of its first: a row a pair and N, a column a B.

    A cell is `all 50`, `all 50, in another order`, or `37 of 50, the first 5 in order`: how many points both batches
    have, and how many come first in the same order in both. Where one of the two is not done, it says how that stands.
    """
    batch_sizes = [f"B = {batch_size}" for batch_size in setting.batch_sizes]
    rows = [
        [f"{label} / {reference}", size(pool_size)]
        + [_compared(setting, (reference, label), pool_size, batch_size) for batch_size in setting.batch_sizes]
        for reference in setting.named(group[:1])
        for label in setting.named(group)
        for pool_size in setting.pool_sizes
        if label != reference and all(setting.against_batch_size(one, pool_size) for one in (reference, label))
    ]
    cells = pd.DataFrame(rows, columns=[METHOD, "N", *batch_sizes], dtype=object).set_index(METHOD)
    return Table(f"Points of the batch in common with {group[0]}", cells.rename_axis("Batches"))


def agreement(reference: Sequence[int], other: Sequence[int]) -> str:
    """Say how far two batches of the same size agree.

    >>> agreement([4, 2, 9], [4, 2, 9]), agreement([4, 2, 9], [2, 4, 9]), agreement([4, 2, 9], [4, 7, 2])
    ('all 3', 'all 3, in another order', '2 of 3, the first 1 in order')
    """
    common = len(set(reference) & set(other))
    if common == len(reference):
        return f"all {common}" if list(reference) == list(other) else f"all {common}, in another order"
    pairs = zip(reference, other, strict=True)
    first = next(place for place, (one, another) in enumerate(pairs) if one != another)
    return f"{common} of {len(reference)}, the first {first} in order"


def _compared(setting: Setting, pair: tuple[str, str], pool_size: int, batch_size: int) -> str:
    cells = [setting.cells.get((label, pool_size, batch_size)) for label in pair]
    for cell in cells:
        if cell is None or cell.status != Status.DONE:
            return standing(cell) if cell else ABSENT
    reference, other = (_acquired(cell) for cell in cells if cell)
    return NOT_RECORDED if reference is None or other is None else agreement(reference, other)


def _acquired(cell: Cell) -> list[int] | None:
    return cell.line.acquired if cell.line else None
