"""Sampling without replacement compared with the exact probabilities of ordered batches; ranks."""

import itertools
import math
from collections import Counter

import oracles
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from softal_bench.bayes.sampling import ranks, sample_without_replacement, standard_gumbel
from softal_bench.errors import NumericalError


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_ordered_pairs_are_distributed_as_if_drawn_one_by_one() -> None:
    weights = [0.05, 1.0, 0.3, 2.0, 0.6]
    expected = oracles.ordered_batch_probs(weights, 2)
    log_weights_N, generator = torch.tensor(weights).log(), seeded(0)
    counts = Counter(tuple(sample_without_replacement(log_weights_N, 2, generator).tolist()) for _ in range(8000))
    assert set(counts) <= set(expected)
    observed = [counts[pair] for pair in expected]
    assert stats.chisquare(observed, [8000 * p for p in expected.values()]).pvalue > 1e-3


def test_points_of_weight_zero_come_last_in_random_order() -> None:
    log_weights_N, generator = torch.tensor([-math.inf, 0.0, -math.inf, 1.0, -math.inf]), seeded(0)
    batches = [tuple(sample_without_replacement(log_weights_N, 5, generator).tolist()) for _ in range(3000)]
    assert all(set(batch[:2]) == {1, 3} for batch in batches)
    tails = Counter(batch[2:] for batch in batches)
    orders = list(itertools.permutations([0, 2, 4]))
    assert set(tails) == set(orders)
    assert stats.chisquare([tails[order] for order in orders]).pvalue > 1e-3


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_error_for_an_invalid_log_weight_names_the_position(value: float) -> None:
    with pytest.raises(NumericalError, match=r"point 2\b"):
        sample_without_replacement(torch.tensor([0.0, -math.inf, value]), 1, seeded(0))


@given(log_weights=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20), seed=st.integers(0, 2**32))
def test_a_batch_of_all_points_is_a_permutation_for_any_weights(log_weights: list[float], seed: int) -> None:
    positions_N = sample_without_replacement(
        torch.tensor(log_weights, dtype=torch.float64), len(log_weights), seeded(seed)
    )
    assert sorted(positions_N.tolist()) == list(range(len(log_weights)))


def test_points_with_equal_huge_weights_are_drawn_in_random_order() -> None:
    generator = seeded(0)
    counts = Counter(int(sample_without_replacement(torch.full((4,), 1e30), 1, generator)) for _ in range(2000))
    assert stats.chisquare([counts[n] for n in range(4)]).pvalue > 1e-3


def test_gumbel_noise_has_the_gumbel_distribution_in_float64() -> None:
    noise = standard_gumbel(5000, seeded(0))
    assert noise.dtype == torch.float64
    assert noise.isfinite().all()
    assert stats.kstest(noise.numpy(), "gumbel_r").pvalue > 1e-3


def test_the_batch_is_on_the_device_and_equal_on_all_devices(device: torch.device) -> None:
    log_weights_N = torch.linspace(-3, 3, 50)
    positions_B = sample_without_replacement(log_weights_N.to(device), 10, seeded(5))
    assert positions_B.device.type == device.type
    assert positions_B.cpu().tolist() == sample_without_replacement(log_weights_N, 10, seeded(5)).tolist()


@given(scores=st.lists(st.floats(-5, 5), min_size=1, max_size=12, unique=True), seed=st.integers(0, 2**32))
def test_a_rank_is_one_more_than_the_number_of_better_scores(scores: list[float], seed: int) -> None:
    expected = [1.0 + sum(other > score for other in scores) for score in scores]
    assert ranks(torch.tensor(scores, dtype=torch.float64), seeded(seed)).tolist() == expected


def test_tied_scores_get_their_ranks_in_random_order() -> None:
    scores_N, generator = torch.tensor([0.5, 0.9, 0.5, 0.5, 0.1]), seeded(0)
    drawn = [ranks(scores_N, generator).tolist() for _ in range(3000)]
    assert all(row[1] == 1 and row[4] == 5 for row in drawn)
    orders = Counter(tuple(row[n] for n in (0, 2, 3)) for row in drawn)
    permutations = list(itertools.permutations([2.0, 3.0, 4.0]))
    assert set(orders) == set(permutations)
    assert stats.chisquare([orders[order] for order in permutations]).pvalue > 1e-3
