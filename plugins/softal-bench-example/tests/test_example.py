"""Test example against a computation by hand and against the rules of all acquisition functions."""

import math

import pytest
import torch
from softal_bench.conformance.testing import AcquisitionFunctionTests
from softal_bench.pools import TensorPool

from softal_bench_example.example import Example


class TestExample(AcquisitionFunctionTests):
    @pytest.fixture
    def acquisition(self) -> Example:
        return Example()


def test_its_scores_equal_those_computed_by_hand() -> None:
    probs_N_K_C = [[[1.0, 0.0], [0.5, 0.5]], [[0.2, 0.8], [0.4, 0.6]]]  # p̄ is (0.75, 0.25) and (0.3, 0.7)
    pool = TensorPool(torch.tensor(probs_N_K_C).log())
    assert Example().scores(pool).tolist() == pytest.approx([0.375, 0.42])
    expected = [1 - 0.75**3 - 0.25**3, 1 - 0.3**3 - 0.7**3]
    assert Example(power=3.0).scores(pool).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("power", [1.0, -2.0, math.inf, math.nan])
def test_an_invalid_power_is_rejected(power: float) -> None:
    with pytest.raises(ValueError, match="power is"):
        Example(power)
