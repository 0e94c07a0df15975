"""Exponents of growth: those of power laws are recovered, and the interval is that of textbooks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from softal_bench.report.stats.cost_comparisons import exponent, exponent_text, growth_tables
from softal_bench.report.stats.numbers import ABSENT

from ..example import write
from .conftest import JOINT
from .example import ExampleCosts, lines


@pytest.mark.parametrize(("label", "in_b"), [("uniform", 0), ("bald", 0), (JOINT, 2)])
def test_the_exponents_of_exact_power_laws_are_recovered(costs: ExampleCosts, label: str, in_b: int) -> None:
    (setting,) = costs.settings()
    fitted = exponent(setting.against_batch_size(label, 1000))
    assert fitted is not None
    assert (fitted.value, fitted.low, fitted.high) == pytest.approx((in_b,) * 3, abs=1e-6)
    assert fitted.num_cells == 4


def test_only_the_five_largest_sizes_are_fitted(costs: ExampleCosts) -> None:
    """Up to B = 5 the seconds do not depend on B; for larger B they grow with its square."""
    costs = replace(costs, text=costs.text.replace("[1, 2, 5, 10]", "[1, 2, 3, 5, 10, 20, 50, 100]"))
    for condition in costs.suite.conditions:
        write(costs.path(condition), lines(condition, [max(5, condition.batch_size) ** 2]))
    assert exponent_text(costs.settings()[0].against_batch_size("bald", 1000)) == "2.00 [2.00, 2.00] (5)"


def test_the_tables_have_a_column_for_each_size_with_four_done_cells(costs: ExampleCosts) -> None:
    """With N = 100 000 BatchBALD is done at only two B, and three N are too few for an exponent of N."""
    (setting,) = costs.settings()
    (in_b,) = growth_tables(setting)
    assert list(in_b.cells.loc[JOINT]) == ["2.00 [2.00, 2.00] (4)", "2.00 [2.00, 2.00] (4)", ABSENT]
    assert in_b.cells.columns.tolist() == ["N = 1000", "N = 10 000", "N = 100 000"]
    assert in_b.cells.loc["uniform", "N = 1000"] == "0.00 [0.00, 0.00] (4)"


def test_the_interval_contains_the_slopes_that_a_t_test_does_not_reject(costs: ExampleCosts) -> None:
    """At an end of the 95 % interval, the two-sided p-value of that slope is 5 %; least squares by numpy.polyfit."""
    seconds = {1: 1.0, 2: 3.0, 5: 4.0, 10: 11.0}
    for size, value in seconds.items():
        condition = costs.condition("bald", 1000, size)
        write(costs.path(condition), lines(condition, [value]))
    fitted = exponent(costs.settings()[0].against_batch_size("bald", 1000))
    assert fitted is not None
    x, y = np.log(list(seconds)), np.log(list(seconds.values()))
    coefficients = np.polyfit(x, y, 1)
    error = np.sqrt(np.sum((y - np.polyval(coefficients, x)) ** 2) / 2 / np.sum((x - x.mean()) ** 2))
    assert fitted.value == pytest.approx(coefficients[0])
    for end in (fitted.low, fitted.high):
        assert 2 * stats.t.sf(abs(end - fitted.value) / error, 2) == pytest.approx(0.05)


def test_three_cells_have_no_exponent(costs: ExampleCosts) -> None:
    (setting,) = costs.settings()
    cells = setting.against_batch_size("bald", 1000)
    assert exponent_text({size: cells[size] for size in (1, 2, 5)}) == ABSENT
