"""EPIG on a pool and its targets."""

import oracles
import pytest
import torch
from softal_plugins.acquisitions.epig import EPIG
from softal_plugins.acquisitions.power import Power

from softal_bench.errors import NumericalError
from softal_bench.pools import TensorPool

POOL, TARGETS = oracles.random_log_probs(0, 9, 4, 3), oracles.random_log_probs(1, 6, 4, 3)


def pool() -> TensorPool:
    return TensorPool(POOL, chunk_size=4, targets=TensorPool(TARGETS, chunk_size=5))


def test_the_score_is_the_mean_information_about_the_labels_at_all_targets() -> None:
    targets = oracles.probs_of(TARGETS)
    expected = [oracles.epig(point, targets) for point in oracles.probs_of(POOL)]
    assert EPIG().scores(pool()).tolist() == pytest.approx(expected, abs=1e-12)
    best = sorted(range(9), key=lambda position: -expected[position])[:3]
    assert EPIG().select(pool(), 3, torch.Generator()).positions.tolist() == best


def test_power_with_it_needs_targets() -> None:
    over = Power(EPIG(), 0.125)
    assert over.needs == {"targets"}
    assert over.least_samples == 2
    batch = over.select(pool(), 9, torch.Generator().manual_seed(0))
    assert sorted(batch.positions.tolist()) == list(range(9))


def test_the_error_names_missing_targets() -> None:
    with pytest.raises(LookupError, match="targets"):
        EPIG().select(TensorPool(POOL), 2, torch.Generator())


def test_the_error_for_a_nan_names_its_position_in_the_pool_or_targets() -> None:
    broken = POOL.clone()
    broken[5, 1, 2] = torch.nan
    with pytest.raises(NumericalError, match=r"EPIG of point 5\b"):
        EPIG().scores(TensorPool(broken, chunk_size=4, targets=TensorPool(TARGETS)))
    with pytest.raises(NumericalError, match=r"^the prediction at target 5 is NaN$"):
        EPIG().scores(TensorPool(POOL, targets=TensorPool(broken, chunk_size=4)))
