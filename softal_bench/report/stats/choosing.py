"""Labels to reach an accuracy against the seconds spent choosing them.

A trial that reaches the target with L labels has spent on choosing them the seconds of prediction on the pool,
selection, and every other phase but training and evaluation, summed over the rounds before L labels. For a trial that
never reaches it, both are ∞.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from softal_bench.records.lookup import devices
from softal_bench.records.trials import ConditionResults, Trial
from softal_bench.report.stats.numbers import ABSENT, median_and_quartiles, number, percentage
from softal_bench.report.stats.sections import Section
from softal_bench.report.stats.statistics import labels_to_accuracy, quantile, quartiles
from softal_bench.report.stats.tables import METHOD, Table, standing

_NOT_CHOOSING = {"train", "evaluate"}
_SELECTION = "select"


@dataclass(frozen=True)
class Point:
    """What a method needs to reach a target with one B on one device, a value for each done trial.

    Attributes:
        label: the acquisition function's.
        device: where the section's trials ran on several; else empty.
        labels_n: labels to the target; ∞ where the trial never reaches it.
        choosing_n: seconds spent choosing them, or ∞.
        selection_n: the part of these in selection, or ∞.
        standing: how its trials stand, if none is done.
    """

    label: str
    device: str = ""
    labels_n: tuple[float, ...] = ()
    choosing_n: tuple[float, ...] = ()
    selection_n: tuple[float, ...] = ()
    standing: str = ""

    @property
    def name(self) -> str:
        """The label; with the device where the section's trials ran on several."""
        return f"{self.label}, {self.device}" if self.device else self.label

    @cached_property
    def labels(self) -> float:
        """The median of the labels; ∞ where no trial is done."""
        return quantile(self.labels_n, 0.5) if self.labels_n else math.inf

    @cached_property
    def why_not_drawn(self) -> str:
        """Why it has no place in a figure whose seconds are logarithmic; nothing where it has."""
        if self.standing:
            return self.standing
        if self.labels == math.inf:
            return "∞ labels"
        return "" if quantile(self.choosing_n, 0.5) > 0 else "no seconds spent on choosing"


@dataclass(frozen=True)
class Aim:
    """The methods with one B, and the target of the section.

    Attributes:
        target: an accuracy, a fraction.
        points: a method each, in the suite's order.
    """

    batch_size: int
    target: float
    points: list[Point]


def aims(section: Section, targets: list[float]) -> list[Aim]:
    """Return, for each B of a section, what its methods need to reach the section's target.

    It is the target that most pairs of a method and a B reach in the median, of several the highest. Where no target is
    reached, there are no aims.
    """
    by_target = {target: _aims(section, target) for target in sorted(targets)}
    target = max(by_target, key=lambda one: (_num_reached(by_target[one]), one), default=None)
    return by_target[target] if target is not None and _num_reached(by_target[target]) else []


def choosing_table(found: list[Aim]) -> Table:
    """Return the numbers of the figure, a row for each method and B."""
    rows = [_row(aim.batch_size, aim.target, point) for aim in found for point in aim.points]
    columns = [METHOD, "B", "Target", "Labels", "Choosing, s", "of these selection, s", "n"]
    return Table("Labels against seconds of acquisition", pd.DataFrame(rows, columns=columns).set_index(METHOD))


def seconds_to_target(trial: Trial, target: float) -> tuple[float, float, float]:
    """Return a trial's labels to the target, the seconds spent choosing them, and those of selection among them."""
    labels = labels_to_accuracy(trial.labels, trial.accuracies, target)
    if labels == math.inf:
        return math.inf, math.inf, math.inf
    before = [round_.seconds for round_ in trial.rounds if round_.labels < labels]
    choosing = sum(value or 0.0 for seconds in before for phase, value in seconds.items() if phase not in _NOT_CHOOSING)
    return labels, choosing, sum(seconds.get(_SELECTION) or 0.0 for seconds in before)


def _aims(section: Section, target: float) -> list[Aim]:
    return [Aim(batch_size, target, _points(section, batch_size, target)) for batch_size in section.batch_sizes]


def _num_reached(found: list[Aim]) -> int:
    """How many pairs of a method and a B reach the target in the median, on whatever device."""
    return len({(point.label, aim.batch_size) for aim in found for point in aim.points if point.labels < math.inf})


def _points(section: Section, batch_size: int, target: float) -> list[Point]:
    several = len(devices(trial for cell in section.cells.values() for trial in cell.done)) > 1
    found: list[Point] = []
    for label in section.labels:
        cell = section.cells.get((label, batch_size))
        if cell is not None:
            found += _on_each_device(label, cell, target, several) or [Point(label, standing=standing(cell))]
    return found


def _on_each_device(label: str, cell: ConditionResults, target: float, several: bool) -> list[Point]:
    points = []
    for device in devices(cell.done):
        values = [seconds_to_target(trial, target) for trial in cell.done if trial.device == device]
        labels_n, choosing_n, selection_n = zip(*values, strict=True)
        points.append(Point(label, device if several else "", labels_n, choosing_n, selection_n))
    return points


def _row(batch_size: int, target: float, point: Point) -> dict[str, str]:
    labels = " / ".join(map(number, quartiles(point.labels_n))) if point.labels_n else point.standing
    return {
        METHOD: point.name,
        "B": str(batch_size),
        "Target": percentage(target),
        "Labels": labels,
        "Choosing, s": median_and_quartiles(point.choosing_n),
        "of these selection, s": median_and_quartiles(point.selection_n),
        "n": str(len(point.labels_n)) if point.labels_n else ABSENT,
    }
