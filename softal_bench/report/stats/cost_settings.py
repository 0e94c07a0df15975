"""The cells of a cost suite arranged for a page: a setting for each source, K and whatever else varies."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from softal_bench.records.cells import Cell, CostResults, with_not_tried
from softal_bench.records.lookup import devices
from softal_bench.registry.parameters import value_text
from softal_bench.report.stats.statistics import quartiles
from softal_bench.run.stale import STALE
from softal_bench.suite import CostCondition

IN_THE_TABLES = ("acquisition", "batch_size", "pool_size", "posterior_samples", "source")


@dataclass(frozen=True)
class Setting:
    """Cells that differ in acquisition function, N and B only, measured on one device.

    Attributes:
        heading: source, K, and the values of the other varied keys.
        cells: by the acquisition function's label, N and B; combinations not in the suite are absent.
    """

    heading: str
    cells: dict[tuple[str, int, int], Cell]

    @cached_property
    def labels(self) -> list[str]:
        """Labels of the acquisition functions, in the suite's order."""
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

    def at_pool_size(self, pool_size: int) -> tuple[list[str], list[int]]:
        """Return the labels and the batch sizes that the suite has at this N."""
        there = [(label, batch_size) for label, size, batch_size in self.cells if size == pool_size]
        labels = [label for label in self.labels if label in {label for label, _ in there}]
        return labels, sorted({batch_size for _, batch_size in there})

    def named(self, names: Sequence[str]) -> list[str]:
        """Return the labels of the methods of these names or labels, in the suite's order."""
        methods = {label: cell.condition.acquisition.name for (label, _, _), cell in self.cells.items()}
        return [label for label in self.labels if label in names or methods[label] in names]

    def against_batch_size(self, label: str, pool_size: int) -> dict[int, Cell]:
        """Return a method's cells at this N by B, ascending."""
        found = ((size, self.cells.get((label, pool_size, size))) for size in self.batch_sizes)
        return {size: cell for size, cell in found if cell}

    def against_pool_size(self, label: str, batch_size: int) -> dict[int, Cell]:
        """Return a method's cells with this B by N, ascending."""
        found = ((size, self.cells.get((label, size, batch_size))) for size in self.pool_sizes)
        return {size: cell for size, cell in found if cell}

    def prediction(self, pool_size: int) -> tuple[float, float, float] | None:
        """Return the quartiles of the seconds of predicting a pool of N points; None where it was not measured.

        A measurement of prediction stands in the journals of all cells that share its pool, and counts once.
        """
        cells = [cell for (_, size, _), cell in self.cells.items() if size == pool_size and cell.status != STALE]
        lines = [cell.line for cell in cells if cell.line]
        samples = [value for one in dict.fromkeys(tuple(line.predict_seconds) for line in lines) for value in one]
        return quartiles(samples) if samples else None


def settings(results: CostResults) -> list[Setting]:
    """Group the cells of a suite into settings, both in the suite's order.

    Cells of several devices are never compared: each device has settings of its own, in which the cells of the others
    have the status "elsewhere", and only its own cells over a limit keep larger B from being tried. Cells that none has
    measured make a setting without a device.
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


def _setting(cells: Sequence[Cell], others: list[str], device: str) -> Setting:
    first = cells[0].condition
    varied = [f", {key} = {value_text(first.value(key))}" for key in others]
    heading = f"{first.source.label}, K = {first.posterior_samples}{''.join(varied)}{f', {device}' if device else ''}"
    own = with_not_tried([_seen_from(device, cell) for cell in cells]) if device else cells
    return Setting(heading, {_place(cell.condition): cell for cell in own})


def _seen_from(device: str, cell: Cell) -> Cell:
    elsewhere = cell.record and cell.device != device
    return replace(cell, status="elsewhere", line=None) if elsewhere else cell


def _place(condition: CostCondition) -> tuple[str, int, int]:
    return condition.acquisition.label, condition.pool_size, condition.batch_size
