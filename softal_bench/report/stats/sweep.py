"""Labels to an accuracy and area under the curve against a parameter of acquisition functions."""

from dataclasses import dataclass

import numpy as np

from softal_bench.records.trials import ConditionResults
from softal_bench.registry.parameters import parameters_text
from softal_bench.report.stats.statistics import area_under_curve, labels_to, mean_interval, quartiles
from softal_bench.report.stats.tables import Setting


@dataclass(frozen=True)
class SweepPoint:
    """The statistics of one condition's done trials.

    Attributes:
        value: the parameter's value; None if the acquisition function does not have the parameter.
        labels: 25 %, 50 % and 75 % quantiles of the labels to the target, which may be ∞.
        area, area_low, area_high: the mean area under the accuracy curve, as a fraction, and its 95 % interval or NaN.
    """

    value: float | None
    labels: tuple[float, float, float]
    area: float
    area_low: float
    area_high: float


@dataclass(frozen=True)
class SweepLine:
    """Conditions that differ only in the parameter, by ascending value; or one condition without the parameter."""

    name: str
    points: list[SweepPoint]


def sweep_lines(setting: Setting, batch_size: int, parameter: str, target: float) -> list[SweepLine]:
    """Return the lines of a setting at one B, in the suite's order. Lines without a done trial are left out."""
    families: dict[str, list[SweepPoint]] = {}
    for (_, size), results in setting.conditions.items():
        if size == batch_size and results.done:
            families.setdefault(_family(results, parameter), []).append(_point(results, parameter, target))
    return [SweepLine(name, sorted(points, key=lambda point: point.value or 0.0)) for name, points in families.items()]


def _family(results: ConditionResults, parameter: str) -> str:
    """Return the function's name with its other parameters, `power(score=bald)`; its label if it lacks this one."""
    acquisition = results.condition.acquisition
    if parameter not in acquisition.parameters:
        return acquisition.label
    others = {name: value for name, value in acquisition.parameters.items() if name != parameter}
    return f"{acquisition.name}({parameters_text(others)})" if others else acquisition.name


def _point(results: ConditionResults, parameter: str, target: float) -> SweepPoint:
    areas_n = np.array([area_under_curve(trial.labels, trial.accuracies) for trial in results.done])
    low, high = mean_interval(areas_n)
    value = results.condition.acquisition.parameters.get(parameter)
    return SweepPoint(
        value=None if value is None else float(value),
        labels=quartiles(labels_to(results, target)),
        area=float(areas_n.mean()),
        area_low=float(low),
        area_high=float(high),
    )
