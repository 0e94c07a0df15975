"""Labels to an accuracy and area under the curve against a parameter of acquisition functions."""

from dataclasses import dataclass

import numpy as np

from softal_bench.records.trials import ConditionResults
from softal_bench.registry.parameters import parameters_text
from softal_bench.report.stats.sections import Section
from softal_bench.report.stats.statistics import area_under_curve, labels_to, mean_interval, quartiles


@dataclass(frozen=True)
class Measured:
    """What one condition's done trials give.

    Attributes:
        value: the parameter's; None for a function that has none.
        labels: 25 %, 50 % and 75 % quantiles of labels to the target, which may be ∞.
        area, area_low, area_high: mean area under the accuracy curve, a fraction, with its 95 % interval or NaN.
        num_trials: how many done trials that is over.
    """

    value: float | None
    labels: tuple[float, float, float]
    area: float
    area_low: float
    area_high: float
    num_trials: int


@dataclass(frozen=True)
class Line:
    """A family of conditions that differ in the parameter alone, by rising value, or one function without it."""

    name: str
    points: list[Measured]


def lines(section: Section, batch_size: int, parameter: str, target: float) -> list[Line]:
    """Return the lines of a section at one B, in the suite's order; only those with a done trial."""
    families: dict[str, list[Measured]] = {}
    for (_, size), cell in section.cells.items():
        if size == batch_size and cell.done:
            families.setdefault(_family(cell, parameter), []).append(_measured(cell, parameter, target))
    return [Line(name, sorted(points, key=lambda point: point.value or 0.0)) for name, points in families.items()]


def _family(cell: ConditionResults, parameter: str) -> str:
    """The function's name with its parameters but for this one: `power(score=bald)`, or its label without it."""
    acquisition = cell.condition.acquisition
    if parameter not in acquisition.parameters:
        return acquisition.label
    others = {name: value for name, value in acquisition.parameters.items() if name != parameter}
    return f"{acquisition.name}({parameters_text(others)})" if others else acquisition.name


def _measured(cell: ConditionResults, parameter: str, target: float) -> Measured:
    areas = np.array([area_under_curve(trial.labels, trial.accuracies) for trial in cell.done])
    low, high = mean_interval(areas)
    value = cell.condition.acquisition.parameters.get(parameter)
    return Measured(
        value=None if value is None else float(value),
        labels=quartiles(labels_to(cell, target)),
        area=float(areas.mean()),
        area_low=float(low),
        area_high=float(high),
        num_trials=len(areas),
    )
