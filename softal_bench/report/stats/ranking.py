"""Methods in the order of their mean area under the accuracy curve, over what all of them have done.

Methods share their random choices within a trial (common random numbers), so they are compared within trials: ranks and
differences are taken where all else is equal, and only then averaged.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.sections import Section
from softal_bench.report.stats.statistics import area_under_curve, mean_interval
from softal_bench.report.stats.tables import METHOD, Table

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Areas under the accuracy curve of methods that have done the same trials.

    Attributes:
        labels: M methods that have done a trial, in the suite's order.
        areas_M_S_R: fractions; S acquisition batch sizes, R trials.
        batch_sizes: those at which all of them have done these trials.
        wanting: of each B with done trials that do not count, which methods have not done them.
    """

    labels: list[str]
    areas_M_S_R: FloatArray
    batch_sizes: list[int]
    wanting: dict[int, list[str]]

    @property
    def ranks_M(self) -> FloatArray:
        """Mean rank; 1 is the largest area, ties share the mean of their ranks."""
        ranks: FloatArray = rankdata(-self.areas_M_S_R, axis=0).mean(axis=(1, 2))
        return ranks

    @property
    def order(self) -> list[int]:
        """The methods from the largest mean area on; of equal ones in the suite's order."""
        order: list[int] = np.argsort(-self.areas_M_S_R.mean(axis=(1, 2)), kind="stable").tolist()
        return order


def ranking(section: Section) -> Ranking | None:
    """The ranking of a section's methods; None where fewer than two of them have a trial in common."""
    labels = [label for label in section.labels if any(_areas(section, label, size) for size in section.batch_sizes)]
    found = {size: [_areas(section, label, size) for label in labels] for size in section.batch_sizes}
    common = {size: set.intersection(*map(set, areas)) for size, areas in found.items() if labels}
    sizes = [size for size in section.batch_sizes if common.get(size)]
    if len(labels) < 2 or not sizes:
        return None
    trials = sorted(set.intersection(*(common[size] for size in sizes)))
    if not trials:
        return None
    areas = [[[found[size][place][trial] for trial in trials] for size in sizes] for place in range(len(labels))]
    return Ranking(labels, np.array(areas), sizes, dict(_wanting(labels, found)))


def _wanting(labels: list[str], found: dict[int, list[dict[int, float]]]) -> Iterator[tuple[int, list[str]]]:
    for size, areas in found.items():
        done = set().union(*areas)
        lacking = [label for label, of_label in zip(labels, areas, strict=True) if set(of_label) < done]
        if lacking:
            yield size, lacking


def ranking_table(found: Ranking) -> Table:
    """Place, mean rank, mean area, and how far the area is from that of the first, with its interval."""
    first = found.areas_M_S_R[found.order[0]]
    rows = [_row(found, place, first) for place in found.order]
    sizes = ", ".join(f"B = {size}" for size in found.batch_sizes)
    trials = found.areas_M_S_R.shape[2]
    title = f"Ranking over {sizes}, {trials} {'trial' if trials == 1 else 'trials'} each"
    return Table(title, pd.DataFrame(rows, index=pd.Index([found.labels[place] for place in found.order], name=METHOD)))


def _row(found: Ranking, place: int, first_S_R: FloatArray) -> dict[str, str]:
    areas_S_R = 100 * found.areas_M_S_R[place]
    return {
        "Place": str(found.order.index(place) + 1),
        "Area, %": f"{areas_S_R.mean():.2f}",
        "Mean rank": f"{found.ranks_M[place]:.2f}",
        "Less the first's [95 %]": _difference((areas_S_R - 100 * first_S_R).mean(axis=0)),
    }


def _difference(differences_R: FloatArray) -> str:
    """The mean over trials of paired differences, with the bootstrap interval of that mean."""
    if not differences_R.any():
        return "0"
    low, high = mean_interval(differences_R)
    interval = ABSENT if np.isnan(low) else f"{low:+.2f}, {high:+.2f}"
    return f"{differences_R.mean():+.2f} [{interval}]"


def _areas(section: Section, label: str, batch_size: int) -> dict[int, float]:
    """The area of each done trial, by its number."""
    cell = section.cells.get((label, batch_size))
    done = cell.done if cell else ()
    return {trial.number: area_under_curve(trial.labels, trial.accuracies) for trial in done}
