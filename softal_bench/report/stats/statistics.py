"""Statistics over the trials of a condition, as in the paper's Table 1 and Figure 1.

L is the number of training-set sizes at which a trial measured its test accuracy, n the number of trials.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, stats

from softal_bench.records.cells import Cell
from softal_bench.records.trials import ConditionResults

FloatArray = NDArray[np.float64]
CONFIDENCE = 0.95
RESAMPLES = 10_000
_MOST_VALUES = 2_000_000  # resampled at once, which bounds the memory; the resamples are the same


def labels_to_accuracy(labels_L: Sequence[int], accuracies_L: Sequence[float], target: float) -> float:
    """Return the first training-set size with a test accuracy of at least `target`, not smoothed; ∞ if none.

    Source: the caption of Table 1 of arXiv:2106.12059 and the authors' logs. Unit: labels.

    >>> labels_to_accuracy([20, 25, 30, 35], [0.7, 0.9, 0.8, 0.95], 0.9)
    25.0
    >>> labels_to_accuracy([20, 25], [0.7, 0.8], 0.9)
    inf
    """
    reached = (float(size) for size, accuracy in zip(labels_L, accuracies_L, strict=True) if accuracy >= target)
    return next(reached, math.inf)


def quantile(values_n: Sequence[float], fraction: float) -> float:
    """Return the `fraction` quantile of values of which some may be ∞.

    With x_0 <= ... <= x_(n-1), h = (n - 1) * fraction, i = floor(h) and g = h - i:

        x_i                              if g = 0
        x_i + g * (x_(i+1) - x_i)        if both are finite
        ∞                                if x_(i+1) = ∞

    Finite values give type 7 of Hyndman and Fan (1996), which is the default of `numpy.quantile`; with
    infinities NumPy gives NaN.

    Raises:
        ValueError: if there is no value, a value is NaN or -∞, or `fraction` is not in [0, 1].

    >>> quantile([280.0, math.inf, 280.0], 0.5), quantile([280.0, math.inf, 280.0], 0.75)
    (280.0, inf)
    """
    if not values_n or any(math.isnan(value) or value == -math.inf for value in values_n):
        raise ValueError(f"a quantile needs at least one value, none of them NaN or -∞; got {list(values_n)}")
    if not 0 <= fraction <= 1:
        raise ValueError(f"the fraction of a quantile is in [0, 1]; got {fraction}")
    ordered = sorted(values_n)
    index = math.floor((len(ordered) - 1) * fraction)
    remainder = (len(ordered) - 1) * fraction - index
    lower = ordered[index]
    if remainder == 0 or lower == math.inf:
        return lower
    upper = ordered[index + 1]
    return math.inf if upper == math.inf else lower + remainder * (upper - lower)


def quartiles(values_n: Sequence[float]) -> tuple[float, float, float]:
    """Return the 25 %, 50 % and 75 % quantiles, each as `quantile` gives it."""
    return quantile(values_n, 0.25), quantile(values_n, 0.5), quantile(values_n, 0.75)


def median_interval(values_n: Sequence[float]) -> tuple[float, float] | None:
    """Return the ends of the 95 % bootstrap interval of the median of values of which some may be ∞.

    The 2.5 % and 97.5 % quantiles, as `quantile` gives them, of the medians of 10 000 resamples with replacement, with
    a fixed seed. None with fewer than two values. With few values it is wide and coarse: of three it goes from the
    least to the largest, and holds the median of what they were drawn from in three of four cases.

    >>> median_interval([200.0, 210.0, math.inf])
    (200.0, inf)
    """
    if len(values_n) < 2:
        return None
    count = len(values_n)
    chosen = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    resampled = np.sort(np.asarray(values_n, float)[chosen], axis=1)
    medians = (resampled[:, (count - 1) // 2] + resampled[:, count // 2]) / 2  # of a finite one and ∞ it is ∞
    beyond = (1 - CONFIDENCE) / 2
    ends = medians.tolist()
    return quantile(ends, beyond), quantile(ends, 1 - beyond)


def area_under_curve(labels_L: Sequence[int], accuracies_L: Sequence[float]) -> float:
    """Return the area under the accuracy curve over the range of labels: the mean accuracy over labels.

    (1 / (l_L - l_1)) * sum_i (l_(i+1) - l_i) * (a_i + a_(i+1)) / 2, the trapezoidal rule. In [0, 1]. A curve
    of one point has no range; its accuracy is returned, the limit of shrinking the range.

    >>> area_under_curve([20, 30, 50], [0.5, 0.6, 0.8])
    0.65
    """
    if len(labels_L) == 1:
        return float(accuracies_L[0])
    area = integrate.trapezoid(np.asarray(accuracies_L, float), np.asarray(labels_L, float))
    return float(area / (labels_L[-1] - labels_L[0]))


def mean_interval(values_n: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the 95 % bootstrap interval of the mean over the last axis.

    The 2.5 % and 97.5 % quantiles of the means of 10 000 resamples with replacement (the percentile method:
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). The seed is fixed, so equal
    values give equal intervals, and conditions with the same number of trials are resampled alike. With fewer
    than two trials both ends are NaN.

    Args:
        values_n: the values, trials on the last axis, any axes before it.
    """
    array = np.asarray(values_n, float)
    if array.shape[-1] < 2:
        missing = np.full(array.shape[:-1], np.nan)
        return missing, missing.copy()
    result = stats.bootstrap(
        (array,),
        np.mean,
        axis=-1,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=int(max(1, min(RESAMPLES, _MOST_VALUES // max(1, array.size)))),
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(0),  # SciPy before 1.15 does not know the newer name, `rng`
    )
    return np.asarray(result.confidence_interval.low), np.asarray(result.confidence_interval.high)


def labels_to(results: ConditionResults, target: float) -> list[float]:
    """Return the labels to a test accuracy, a fraction, of each done trial of a condition; ∞ if it is not reached."""
    return [labels_to_accuracy(trial.labels, trial.accuracies, target) for trial in results.done]


def selection_quartiles(cell: Cell) -> tuple[float, float, float]:
    """Return the 25 %, 50 % and 75 % quantiles of the seconds of one selection, of a cost cell that is done."""
    return quartiles(cell.samples)


def median_selection(cell: Cell) -> float:
    """Return the median of the seconds of one selection, of a cost cell that is done."""
    return selection_quartiles(cell)[1]
