"""The statistics compared with numpy, brute-force enumeration and closed forms."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softal_bench.report.stats.statistics import (
    area_under_curve,
    labels_to_accuracy,
    mean_interval,
    quantile,
    quartiles,
)

finite = st.floats(-1e6, 1e6)
fractions = st.floats(0, 1)
HUGE = 1e12


def test_a_target_is_reached_at_the_first_size_with_that_accuracy_even_if_it_falls_again() -> None:
    assert labels_to_accuracy([20, 25, 30], [0.7, 0.91, 0.89], 0.9) == 25


def test_an_accuracy_equal_to_the_target_reaches_it() -> None:
    assert labels_to_accuracy([20, 25], [0.5, 0.9], 0.9) == 25


def test_an_unreached_target_takes_infinitely_many_labels() -> None:
    assert labels_to_accuracy([20, 25], [0.5, 0.8], 0.9) == math.inf


@given(st.lists(finite, min_size=1, max_size=12), fractions)
def test_quantiles_of_finite_values_agree_with_numpy(values: list[float], fraction: float) -> None:
    assert quantile(values, fraction) == pytest.approx(np.quantile(values, fraction), rel=1e-9, abs=1e-6)


@given(st.lists(st.floats(0, 1000), max_size=8), st.integers(1, 8), st.sampled_from([0.25, 0.5, 0.75]))
def test_a_quantile_with_infinities_is_the_limit_for_increasing_values(
    values: list[float], num_infinite: int, fraction: float
) -> None:
    replaced = np.quantile([*values, *[HUGE] * num_infinite], fraction)
    found = quantile([*values, *[math.inf] * num_infinite], fraction)
    assert found == (math.inf if replaced > HUGE / 100 else pytest.approx(replaced))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            [280, 280, math.inf],
            (280, 280, math.inf),
        ),  # the median of three values is not interpolated
        ([260, 260, 270, math.inf, math.inf], (260, 270, math.inf)),  # BALD at B = 20 in the authors' logs
        ([10, math.inf], (math.inf, math.inf, math.inf)),
        ([10, 20, 30, math.inf], (17.5, 25, math.inf)),
        ([math.inf] * 3, (math.inf,) * 3),
        ([7], (7, 7, 7)),
    ],
)
def test_quartiles_may_be_infinite(values: list[float], expected: tuple[float, float, float]) -> None:
    assert quartiles(values) == expected


@pytest.mark.parametrize(
    ("values", "fraction"),
    [([], 0.5), ([math.nan], 0.5), ([-math.inf], 0.5), ([1.0], 1.5), ([1.0], math.nan)],
)
def test_a_quantile_of_no_or_invalid_values_is_an_error(values: list[float], fraction: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile(values, fraction)


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_the_area_under_a_straight_line_is_the_mean_of_its_ends(start: float, rise: float, steps: list[int]) -> None:
    labels = list(itertools.accumulate(steps, initial=20))
    accuracies = [start + rise * (size - 20) / (labels[-1] - 20) for size in labels]
    assert area_under_curve(labels, accuracies) == pytest.approx(start + rise / 2)


def test_the_area_under_a_single_point_is_its_accuracy() -> None:
    assert area_under_curve([20], [0.7]) == 0.7


def test_the_interval_of_three_values_agrees_with_all_27_resamples() -> None:
    """The means of all resamples of n = 3 values can be listed, so the points at 2.5 % and 97.5 % are exact.

    Each of the 27 has a probability of 3.7 %, so both points lie within the outermost two.
    """
    values = [0.80, 0.91, 0.97]
    means = sorted(float(np.mean(resample)) for resample in itertools.product(values, repeat=3))
    exact_low, exact_high = means[math.floor(27 * 0.025)], means[math.ceil(27 * 0.975) - 1]
    low, high = mean_interval(values)
    assert low == pytest.approx(exact_low)
    assert high == pytest.approx(exact_high)


def test_the_interval_of_five_values_agrees_with_all_3125_resamples() -> None:
    values = [0.80, 0.85, 0.91, 0.97, 0.99]
    means = [float(np.mean(resample)) for resample in itertools.product(values, repeat=5)]
    low, high = mean_interval(values)
    assert low == pytest.approx(np.quantile(means, 0.025), abs=2e-3)
    assert high == pytest.approx(np.quantile(means, 0.975), abs=2e-3)


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=3))
def test_each_row_has_its_own_interval(rows: list[list[float]]) -> None:
    low, high = mean_interval(rows)
    for index, row in enumerate(rows):
        assert (low[index], high[index]) == tuple(map(pytest.approx, mean_interval(row)))


def test_equal_values_give_a_zero_width_interval_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = mean_interval([0.9, 0.9, 0.9])
    assert low == high == pytest.approx(0.9)


def test_one_value_has_no_interval() -> None:
    low, high = mean_interval([[0.9], [0.8]])
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_the_same_values_always_have_the_same_interval() -> None:
    assert mean_interval([0.1, 0.5, 0.7]) == mean_interval([0.1, 0.5, 0.7])
