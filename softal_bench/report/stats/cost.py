"""The cells of a cost suite arranged in settings, and their tables: seconds, memory, and share of prediction."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from softal_bench.journal.lines import Status
from softal_bench.records.cells import Cell, CostResults, with_not_tried
from softal_bench.records.lookup import devices
from softal_bench.registry.parameters import value_text
from softal_bench.report.stats.numbers import ABSENT, MIB, median_and_quartiles, number, significant, size
from softal_bench.report.stats.statistics import quartiles
from softal_bench.report.stats.tables import Table, by_batch_size
from softal_bench.suite import CostCondition

IN_THE_TABLES = ("acquisition", "batch_size", "pool_size", "posterior_samples", "source")


def selection_quartiles(cell: Cell) -> tuple[float, float, float]:
    """Return the 25 %, 50 % and 75 % quantiles of the seconds of one selection of a done cell."""
    return quartiles(cell.samples)


def median_selection(cell: Cell) -> float:
    """Return the median of the seconds of one selection of a done cell."""
    return selection_quartiles(cell)[1]


def cell_status_text(cell: Cell) -> str:
    """Return the status of a cell that is not done: `timeout (cell over 20 s)`, `out of memory`, `not run`, ..."""
    if cell.status == Status.TIMEOUT:
        return f"timeout (cell over {number(cell.condition.limits.cell_seconds)} s)"
    return cell.status.words


@dataclass(frozen=True)
class CostSetting:
    """Cells that differ only in the acquisition function, N and B, measured on one device.

    Attributes:
        heading: source, K, and the values of the other varied keys.
        cells: by the acquisition function's label, N and B. Combinations that are not in the suite are absent.
    """

    heading: str
    cells: dict[tuple[str, int, int], Cell]

    @cached_property
    def labels(self) -> list[str]:
        """The labels of the acquisition functions, in the suite's order."""
        return list(dict.fromkeys(label for label, _, _ in self.cells))

    @cached_property
    def pool_sizes(self) -> list[int]:
        """The pool sizes N, ascending."""
        return sorted({pool_size for _, pool_size, _ in self.cells})

    @cached_property
    def batch_sizes(self) -> list[int]:
        """The acquisition batch sizes B, ascending."""
        return sorted({batch_size for _, _, batch_size in self.cells})

    def of_method(self, label: str) -> list[Cell]:
        """Return a method's cells, in the suite's order."""
        return [cell for (own, _, _), cell in self.cells.items() if own == label]

    def named(self, names: Sequence[str]) -> list[str]:
        """Return the labels of the methods with these names or labels, in the suite's order."""
        methods = {label: cell.condition.acquisition.name for (label, _, _), cell in self.cells.items()}
        return [label for label in self.labels if label in names or methods[label] in names]

    def against_batch_size(self, label: str, pool_size: int) -> dict[int, Cell]:
        """Return a method's cells with this N by B, ascending."""
        found = ((size, self.cells.get((label, pool_size, size))) for size in self.batch_sizes)
        return {size: cell for size, cell in found if cell}

    def against_pool_size(self, label: str, batch_size: int) -> dict[int, Cell]:
        """Return a method's cells with this B by N, ascending."""
        found = ((size, self.cells.get((label, size, batch_size))) for size in self.pool_sizes)
        return {size: cell for size, cell in found if cell}

    def prediction(self, pool_size: int) -> tuple[float, float, float] | None:
        """Return the quartiles of the seconds of predicting a pool of N points, or None if they were not measured.

        The journals of all cells that share a pool repeat the same measurement of prediction, which counts once.
        """
        cells = [cell for (_, size, _), cell in self.cells.items() if size == pool_size and cell.status != Status.STALE]
        lines = [cell.line for cell in cells if cell.line]
        samples = [value for one in dict.fromkeys(tuple(line.predict_seconds) for line in lines) for value in one]
        return quartiles(samples) if samples else None


def cost_settings(results: CostResults) -> list[CostSetting]:
    """Group the cells of a suite into settings. Both are in the suite's order.

    Cells from different devices are never compared. If there are several devices, each has settings of its own, in
    which the cells of other devices have the status "elsewhere", and only the device's own cells over a limit prevent
    larger B from being tried. Cells that no device has measured form a setting without a device.
    """
    others = [key for key in results.suite.varied if key.split(".")[0] not in IN_THE_TABLES]
    grouped: dict[str, list[Cell]] = {}
    for cell in results.cells:
        described = cell.condition.describe()
        parts = [described["source"], cell.condition.posterior_samples, *map(cell.condition.value, others)]
        grouped.setdefault(json.dumps(parts, default=str), []).append(cell)
    several = len(devices(results.cells)) > 1
    return [
        _setting(cells, others, device)
        for cells in grouped.values()
        for device in (devices(cells) if several else []) or [""]
    ]


def _setting(cells: Sequence[Cell], others: list[str], device: str) -> CostSetting:
    first = cells[0].condition
    varied = [f", {key} = {value_text(first.value(key))}" for key in others]
    heading = f"{first.source.label}, K = {first.posterior_samples}{''.join(varied)}{f', {device}' if device else ''}"
    own = with_not_tried([_seen_from(device, cell) for cell in cells]) if device else cells
    return CostSetting(heading, {_place(cell.condition): cell for cell in own})


def _seen_from(device: str, cell: Cell) -> Cell:
    elsewhere = cell.record and cell.device != device
    return replace(cell, status=Status.ELSEWHERE, line=None) if elsewhere else cell


def _place(condition: CostCondition) -> tuple[str, int, int]:
    return condition.acquisition.label, condition.pool_size, condition.batch_size


def cost_tables(results: CostResults) -> list[Table]:
    """Return short tables for the terminal: median seconds of one selection for each setting and N, methods by B."""
    return [
        Table(
            f"Median seconds of one selection, {setting.heading}, N = {size(pool_size)}",
            _grid(setting, pool_size, lambda cell: significant(median_selection(cell))),
        )
        for setting in cost_settings(results)
        for pool_size in setting.pool_sizes
    ]


def seconds_table(setting: CostSetting, pool_size: int) -> Table:
    """Return the seconds of one selection from N points: median, quartiles and number of samples."""

    def text(cell: Cell) -> str:
        return f"{median_and_quartiles(cell.samples)} ({len(cell.samples)})"

    return Table("Seconds of one selection, median [quartiles] (samples)", _grid(setting, pool_size, text))


def share_table(setting: CostSetting, pool_size: int) -> Table | None:
    """Return the median seconds of one selection as a share of those of prediction; None without prediction."""
    prediction = setting.prediction(pool_size)
    if not prediction or not prediction[1]:
        return None
    median = prediction[1]
    cells = _grid(setting, pool_size, lambda cell: f"{significant(100 * median_selection(cell) / median)} %")
    return Table("Selection as a share of prediction, from medians", cells)


def memory_table(setting: CostSetting, pool_size: int) -> Table:
    """Return the growth of peak memory during one selection in MiB (2^20 bytes)."""

    def text(cell: Cell) -> str:
        peak_bytes = cell.line.peak_bytes if cell.line else None
        return ABSENT if peak_bytes is None else significant(peak_bytes / MIB)

    return Table("Peak memory of one selection beyond the pool's log-probs, MiB", _grid(setting, pool_size, text))


def _grid(setting: CostSetting, pool_size: int, text: Callable[[Cell], str]) -> pd.DataFrame:
    """Return a data frame with `text` of each cell with this N, or its status if it is not done: methods by B."""

    def shown(label: str, batch_size: int) -> str:
        cell = setting.cells.get((label, pool_size, batch_size))
        if cell is None:
            return ABSENT
        return text(cell) if cell.status == Status.DONE else cell_status_text(cell)

    there = [(label, batch_size) for label, size, batch_size in setting.cells if size == pool_size]
    labels = [label for label in setting.labels if label in {label for label, _ in there}]
    return by_batch_size(labels, sorted({batch_size for _, batch_size in there}), shown)
