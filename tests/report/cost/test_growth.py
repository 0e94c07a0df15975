"""Exponents of growth: power laws are recovered, and the interval is that of the textbook."""

import numpy as np
import pytest
from scipy import stats

from softal_bench.report.cost.growth import exponent, exponent_text
from softal_bench.report.cost.tables import growth_tables
from softal_bench.report.numbers import ABSENT

from ..example import write
from .conftest import JOINT
from .example import ExampleCosts, lines


@pytest.mark.parametrize(("label", "in_b", "in_n"), [("uniform", 0, 0), ("bald", 0, 1), (JOINT, 2, 1)])
def test_the_exponents_of_exact_power_laws_are_recovered(costs: ExampleCosts, label: str, in_b: int, in_n: int) -> None:
    (setting,) = costs.settings()
    for cells, expected in [
        (setting.against_batch_size(label, 1000), in_b),
        (setting.against_pool_size(label, 2), in_n),
    ]:
        fitted = exponent(cells)
        assert fitted is not None
        assert (fitted.value, fitted.low, fitted.high) == pytest.approx((expected,) * 3, abs=1e-6)
        assert fitted.num_cells == len(cells)


def test_the_tables_have_a_column_for_each_size_with_three_done_cells(costs: ExampleCosts) -> None:
    """BatchBALD is done at two B only with N = 100 000, and at two N only with B = 5 and 10."""
    (setting,) = costs.settings()
    in_b, in_n = growth_tables(setting)
    assert list(in_b.cells.loc[JOINT]) == ["2.00 [2.00, 2.00] (4)", "2.00 [2.00, 2.00] (4)", ABSENT]
    assert in_b.cells.columns.tolist() == ["N = 1000", "N = 10 000", "N = 100 000"]
    assert list(in_n.cells.loc[JOINT]) == ["1.00 [1.00, 1.00] (3)", "1.00 [1.00, 1.00] (3)", ABSENT, ABSENT]
    assert in_n.cells.loc["uniform", "B = 10"] == "0.00 [0.00, 0.00] (3)"


def test_the_interval_holds_the_slopes_that_a_t_test_does_not_reject(costs: ExampleCosts) -> None:
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


def test_two_cells_have_no_exponent(costs: ExampleCosts) -> None:
    (setting,) = costs.settings()
    cells = setting.against_batch_size("bald", 1000)
    assert exponent_text({1: cells[1], 2: cells[2]}) == ABSENT
