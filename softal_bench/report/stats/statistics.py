"""Statistics over the trials of a condition: labels to an accuracy, quantiles, areas, and bootstrap intervals.

They are those of Table 1 and Figure 1 of arXiv:2106.12059. L is the number of training-set sizes at which a trial
measured its test accuracy, and n is the number of trials.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, stats

from softal_bench.records.trials import ConditionResults

FloatArray = NDArray[np.float64]
CONFIDENCE = 0.95
RESAMPLES = 10_000
_VALUES_AT_ONCE = 2_000_000  # bounds the memory of resampling; the resamples do not depend on it


def labels_to_accuracy(labels_L: Sequence[int], accuracies_L: Sequence[float], target: float) -> float:
    """Return the first training-set size whose test accuracy is at least `target`, or ∞ if there is none.

    Accuracies are not smoothed. The unit is labels. Source: the caption of Table 1 of arXiv:2106.12059, and the
    authors' logs.

    >>> labels_to_accuracy([20, 25, 30, 35], [0.7, 0.9, 0.8, 0.95], 0.9)
    25.0
    >>> labels_to_accuracy([20, 25], [0.7, 0.8], 0.9)
    inf
    """
    reached = (float(size) for size, accuracy in zip(labels_L, accuracies_L, strict=True) if accuracy >= target)
    return next(reached, math.inf)


def quantile(values_n: Sequence[float], fraction: float) -> float:
    """Return the `fraction` quantile of values, some of which may be ∞.

    With x_0 <= ... <= x_(n-1), h = (n - 1) * fraction, i = floor(h) and g = h - i:

        x_i                              if g = 0
        x_i + g * (x_(i+1) - x_i)        if both are finite
        ∞                                if x_(i+1) = ∞

    For finite values this is type 7 of Hyndman and Fan (1996), the default of `numpy.quantile`. With infinities, NumPy
    returns NaN.

    Raises:
        ValueError: if there are no values, if a value is NaN or -∞, or if `fraction` is not in [0, 1].

    >>> quantile([280.0, math.inf, 280.0], 0.5), quantile([280.0, math.inf, 280.0], 0.75)
    (280.0, inf)
    """
    if not values_n or any(math.isnan(value) or value == -math.inf for value in values_n):
        raise ValueError(f"a quantile needs at least one value, and no value may be NaN or -∞; got {list(values_n)}")
    if not 0 <= fraction <= 1:
        raise ValueError(f"the fraction of a quantile must be in [0, 1]; got {fraction}")
    ordered = sorted(values_n)
    index = math.floor((len(ordered) - 1) * fraction)
    remainder = (len(ordered) - 1) * fraction - index
    lower = ordered[index]
    if remainder == 0 or lower == math.inf:
        return lower
    upper = ordered[index + 1]
    return math.inf if upper == math.inf else lower + remainder * (upper - lower)


def quartiles(values_n: Sequence[float]) -> tuple[float, float, float]:
    """Return the 25 %, 50 % and 75 % quantiles as `quantile` defines them."""
    return quantile(values_n, 0.25), quantile(values_n, 0.5), quantile(values_n, 0.75)


def median_interval(values_n: Sequence[float]) -> tuple[float, float] | None:
    """Return the ends of the 95 % bootstrap interval of the median of values, some of which may be ∞.

    The ends are the 2.5 % and 97.5 % quantiles, as `quantile` defines them, of the medians of 10 000 resamples with
    replacement. The seed is fixed. With few values the interval is wide and coarse: for three values it ranges from the
    smallest to the largest, and contains the median of their distribution in three of four cases.

    Returns:
        The lower and the upper end, or None if there are fewer than two values.

    >>> median_interval([200.0, 210.0, math.inf])
    (200.0, inf)
    """
    if len(values_n) < 2:
        return None
    count = len(values_n)
    chosen = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    resampled = np.sort(np.asarray(values_n, float)[chosen], axis=1)
    medians = (resampled[:, (count - 1) // 2] + resampled[:, count // 2]) / 2  # ∞ if one of the two is ∞
    beyond = (1 - CONFIDENCE) / 2
    ends = medians.tolist()
    return quantile(ends, beyond), quantile(ends, 1 - beyond)


def area_under_curve(labels_L: Sequence[int], accuracies_L: Sequence[float]) -> float:
    """Return the area under the accuracy curve divided by the range of labels, that is, the mean accuracy over labels.

    By the trapezoidal rule, with labels l_1 < ... < l_L and accuracies a_1, ..., a_L:

        1 / (l_L - l_1) * sum_i (l_(i+1) - l_i) * (a_i + a_(i+1)) / 2

    The result is in [0, 1]. A curve with a single point has no range; its accuracy is returned, which is the limit as
    the range shrinks to zero.

    >>> area_under_curve([20, 30, 50], [0.5, 0.6, 0.8])
    0.65
    """
    if len(labels_L) == 1:
        return float(accuracies_L[0])
    area = integrate.trapezoid(np.asarray(accuracies_L, float), np.asarray(labels_L, float))
    return float(area / (labels_L[-1] - labels_L[0]))


def mean_interval(values_n: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the 95 % bootstrap interval of the mean over the last axis.

    The ends are the 2.5 % and 97.5 % quantiles of the means of 10 000 resamples with replacement (the percentile method
    of Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). The seed is fixed, so equal values
    give equal intervals, and conditions with the same number of trials use the same resamples.

    Args:
        values_n: the values. Trials are on the last axis, which any other axes precede.

    Returns:
        The lower and the upper ends, with the shape of `values_n` without its last axis, in float64. Both are NaN if
        there are fewer than two trials.
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
        batch=int(max(1, min(RESAMPLES, _VALUES_AT_ONCE // max(1, array.size)))),
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(0),  # the newer name `rng` needs SciPy 1.15
    )
    return np.asarray(result.confidence_interval.low), np.asarray(result.confidence_interval.high)


def labels_to(results: ConditionResults, target: float) -> list[float]:
    """Return the labels to a test accuracy `target` (a fraction) for each done trial; ∞ if a trial never reaches it."""
    return [labels_to_accuracy(trial.labels, trial.accuracies, target) for trial in results.done]
