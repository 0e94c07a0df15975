"""Methods ordered by their mean area under the accuracy curve, over the trials that all of them have done.

Methods share their random choices within a trial (common random numbers). Ranks and differences are therefore computed
within each trial and B, where everything else is equal, and then averaged.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.statistics import FloatArray, area_under_curve, mean_interval
from softal_bench.report.stats.tables import METHOD, Setting, Table


@dataclass(frozen=True)
class Ranking:
    """Areas under the accuracy curve of methods that have done the same trials.

    Attributes:
        labels: the M methods that have done a trial, in the suite's order.
        areas_M_S_R: the areas as fractions, for S acquisition batch sizes and R trials.
        batch_sizes: the S acquisition batch sizes at which all methods have done these trials.
        missing: by B, the methods that have not done trials that others have done. These trials do not count.
    """

    labels: list[str]
    areas_M_S_R: FloatArray
    batch_sizes: list[int]
    missing: dict[int, list[str]]

    @property
    def ranks_M(self) -> FloatArray:
        """The mean rank of each method. The largest area has rank 1, and ties share the mean of their ranks."""
        ranks: FloatArray = rankdata(-self.areas_M_S_R, axis=0).mean(axis=(1, 2))
        return ranks

    @property
    def order(self) -> list[int]:
        """The methods by descending mean area; methods with equal areas are in the suite's order."""
        order: list[int] = np.argsort(-self.areas_M_S_R.mean(axis=(1, 2)), kind="stable").tolist()
        return order


def ranking(setting: Setting) -> Ranking | None:
    """Return the ranking of a setting's methods, or None if fewer than two methods have a trial in common."""
    labels = [label for label in setting.labels if any(_areas(setting, label, size) for size in setting.batch_sizes)]
    found = {size: [_areas(setting, label, size) for label in labels] for size in setting.batch_sizes}
    common = {size: set.intersection(*map(set, areas)) for size, areas in found.items() if labels}
    sizes = [size for size in setting.batch_sizes if common.get(size)]
    if len(labels) < 2 or not sizes:
        return None
    trials = sorted(set.intersection(*(common[size] for size in sizes)))
    if not trials:
        return None
    areas_M_S_R = [[[found[size][place][trial] for trial in trials] for size in sizes] for place in range(len(labels))]
    missing = {}
    for size, areas in found.items():
        done = set().union(*areas)
        lacking = [label for label, of_label in zip(labels, areas, strict=True) if set(of_label) < done]
        if lacking:
            missing[size] = lacking
    return Ranking(labels, np.array(areas_M_S_R), sizes, missing)


def ranking_table(found: Ranking) -> Table:
    """Return place, mean area, mean rank, and difference in area from the first method, for each method."""
    areas_M_S_R = 100 * found.areas_M_S_R
    first_S_R = areas_M_S_R[found.order[0]]
    rows = [
        {
            "Place": str(place),
            "Area, %": f"{areas_M_S_R[method].mean():.2f}",
            "Mean rank": f"{found.ranks_M[method]:.2f}",
            "Difference from the first [95 %]": _difference((areas_M_S_R[method] - first_S_R).mean(axis=0)),
        }
        for place, method in enumerate(found.order, start=1)
    ]
    sizes = ", ".join(f"B = {size}" for size in found.batch_sizes)
    num_trials = found.areas_M_S_R.shape[2]
    title = f"Ranking over {sizes}, {num_trials} {'trial' if num_trials == 1 else 'trials'} each"
    index = pd.Index([found.labels[method] for method in found.order], name=METHOD)
    return Table(title, pd.DataFrame(rows, index=index))


def _difference(differences_R: FloatArray) -> str:
    """Return the mean over trials of paired differences, with the bootstrap interval of that mean."""
    if not differences_R.any():
        return "0"
    low, high = mean_interval(differences_R)
    interval = ABSENT if np.isnan(low) else f"{low:+.2f}, {high:+.2f}"
    return f"{differences_R.mean():+.2f} [{interval}]"


def _areas(setting: Setting, label: str, batch_size: int) -> dict[int, float]:
    """Return the area under the accuracy curve of each done trial, by the trial's number."""
    results = setting.conditions.get((label, batch_size))
    done = results.done if results else ()
    return {trial.number: area_under_curve(trial.labels, trial.accuracies) for trial in done}
