"""Labels to an accuracy against the seconds spent choosing them.

A trial that reaches the target with L labels has spent on choosing them the seconds of prediction on the pool, of
selection, and of every other phase except training and evaluation, summed over the rounds with fewer than L labels. For
a trial that never reaches the target, both labels and seconds are ∞.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from softal_bench.records.lookup import devices
from softal_bench.records.trials import ConditionResults, Trial
from softal_bench.report.stats.numbers import ABSENT, median_and_quartiles, number, percentage
from softal_bench.report.stats.statistics import labels_to_accuracy, quantile, quartiles
from softal_bench.report.stats.tables import METHOD, Setting, Table, status_text

_NOT_CHOOSING = {"train", "evaluate"}
_SELECTION = "select"


@dataclass(frozen=True)
class ChoosingPoint:
    """What a method needs to reach a target with one B on one device, with a value for each of n done trials.

    Attributes:
        label: the acquisition function's label.
        device: the device, if the trials of the setting ran on several; otherwise empty.
        labels_n: the labels to the target; ∞ if a trial never reaches it.
        choosing_n: the seconds spent choosing them, or ∞.
        selection_n: the seconds of selection among these, or ∞.
        status: the statuses of the trials if no trial is done; otherwise empty.
    """

    label: str
    device: str = ""
    labels_n: tuple[float, ...] = ()
    choosing_n: tuple[float, ...] = ()
    selection_n: tuple[float, ...] = ()
    status: str = ""

    @property
    def name(self) -> str:
        """The label, followed by the device if the trials of the setting ran on several."""
        return f"{self.label}, {self.device}" if self.device else self.label

    @cached_property
    def labels(self) -> float:
        """The median of the labels; ∞ if no trial is done."""
        return quantile(self.labels_n, 0.5) if self.labels_n else math.inf

    @cached_property
    def why_not_drawn(self) -> str:
        """Why a figure with logarithmic seconds cannot show the point; empty if it can."""
        if self.status:
            return self.status
        if self.labels == math.inf:
            return "∞ labels"
        return "" if quantile(self.choosing_n, 0.5) > 0 else "no seconds spent on choosing"


@dataclass(frozen=True)
class ChoosingPanel:
    """The points of all methods with one B.

    Attributes:
        batch_size: B.
        target: the target of the setting, an accuracy as a fraction.
        points: the points, in the suite's order of methods.
    """

    batch_size: int
    target: float
    points: list[ChoosingPoint]

    @property
    def reached(self) -> set[str]:
        """The labels of the methods that reach the target in the median, on any device."""
        return {point.label for point in self.points if point.labels < math.inf}


def choosing_panels(setting: Setting, targets: list[float]) -> list[ChoosingPanel]:
    """Return a panel for each B of a setting; none if no method reaches a target.

    All panels share the target that the largest number of pairs of a method and a B reach in the median. If several
    targets are reached equally often, it is the highest.
    """
    best: list[ChoosingPanel] = []
    most = 0
    for target in sorted(targets, reverse=True):
        panels = [ChoosingPanel(size, target, _points(setting, size, target)) for size in setting.batch_sizes]
        num_reached = sum(len(panel.reached) for panel in panels)
        if num_reached > most:
            best, most = panels, num_reached
    return best


def choosing_table(panels: list[ChoosingPanel]) -> Table:
    """Return the numbers of the figure, with a row for each method and B."""
    rows = [
        {
            METHOD: point.name,
            "B": str(panel.batch_size),
            "Target": percentage(panel.target),
            "Labels": " / ".join(map(number, quartiles(point.labels_n))) if point.labels_n else point.status,
            "Choosing, s": median_and_quartiles(point.choosing_n),
            "of which selection, s": median_and_quartiles(point.selection_n),
            "n": str(len(point.labels_n)) if point.labels_n else ABSENT,
        }
        for panel in panels
        for point in panel.points
    ]
    columns = [METHOD, "B", "Target", "Labels", "Choosing, s", "of which selection, s", "n"]
    return Table("Labels against seconds of acquisition", pd.DataFrame(rows, columns=columns).set_index(METHOD))


def seconds_to_target(trial: Trial, target: float) -> tuple[float, float, float]:
    """Return a trial's labels to the target, the seconds spent choosing them, and those of selection among them."""
    labels = labels_to_accuracy(trial.labels, trial.accuracies, target)
    if labels == math.inf:
        return math.inf, math.inf, math.inf
    before = [round_.seconds for round_ in trial.rounds if round_.labels < labels]
    choosing = sum(value or 0.0 for seconds in before for phase, value in seconds.items() if phase not in _NOT_CHOOSING)
    return labels, choosing, sum(seconds.get(_SELECTION) or 0.0 for seconds in before)


def _points(setting: Setting, batch_size: int, target: float) -> list[ChoosingPoint]:
    several = len(devices(trial for results in setting.conditions.values() for trial in results.done)) > 1
    found: list[ChoosingPoint] = []
    for label in setting.labels:
        results = setting.conditions.get((label, batch_size))
        if results is not None:
            points = _on_each_device(label, results, target, several)
            found += points or [ChoosingPoint(label, status=status_text(results))]
    return found


def _on_each_device(label: str, results: ConditionResults, target: float, several: bool) -> list[ChoosingPoint]:
    points = []
    for device in devices(results.done):
        values = [seconds_to_target(trial, target) for trial in results.done if trial.device == device]
        labels_n, choosing_n, selection_n = zip(*values, strict=True)
        points.append(ChoosingPoint(label, device if several else "", labels_n, choosing_n, selection_n))
    return points
