"""Accuracy curves: test accuracy against the size of the training set, over the trials of a condition."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from softal_bench.records.trials import ConditionResults
from softal_bench.report.stats.statistics import FloatArray, mean_interval


@dataclass(frozen=True)
class Curve:
    """Mean accuracy over trials with its 95 % bootstrap interval at each training-set size.

    Attributes:
        labels_L: training-set sizes, ascending.
        mean_L: mean accuracy, a fraction.
        low_L, high_L: ends of the interval; NaN with fewer than two trials.
        num_trials: how many done trials the mean is over.
    """

    labels_L: FloatArray
    mean_L: FloatArray
    low_L: FloatArray
    high_L: FloatArray
    num_trials: int


def accuracies(cell: ConditionResults) -> pd.DataFrame:
    """Return the test accuracy of each done trial: a row for each training-set size, a column for each trial.

    Sizes that not every done trial has measured are left out (the trials of a condition share their sizes).
    """
    columns = [pd.Series(trial.accuracies, index=trial.labels, name=trial.number) for trial in cell.done]
    return pd.concat(columns, axis=1, join="inner") if columns else pd.DataFrame()


def curve(cell: ConditionResults) -> Curve | None:
    """Return the accuracy curve of a condition, or None where no trial is done, or done ones share no size."""
    frame = accuracies(cell)
    if frame.empty:
        return None
    accuracies_L_n = frame.to_numpy(dtype=np.float64)
    low_L, high_L = mean_interval(accuracies_L_n)
    sizes_L = frame.index.to_numpy(dtype=np.float64)
    return Curve(sizes_L, accuracies_L_n.mean(axis=1), low_L, high_L, len(cell.done))
