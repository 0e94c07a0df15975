"""Uniform draws from the best points of a one-sample score."""

import itertools
import math

import oracles
import pytest
import torch
from frequencies import agree
from softal_plugins.acquisitions.bald import BALD
from softal_plugins.acquisitions.epig import EPIG
from softal_plugins.acquisitions.random_top import RandomTop

from softal_bench.contracts import OneSampleScore, Pool
from softal_bench.errors import NumericalError
from softal_bench.pools import TensorPool

SCORES = (0.1, 0.9, 0.5, 0.02, 0.6, 0.7)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def given(*scores: float) -> OneSampleScore:
    return oracles.GivenScores(torch.tensor(scores, dtype=torch.float64))


def pool_of(size: int) -> Pool:
    return TensorPool(torch.full((size, 2, 2), 0.5).log())


def draw(rule: RandomTop, size: int, batch_size: int, draws: int = 3000) -> list[tuple[int, ...]]:
    generator = seeded(0)
    return [tuple(rule.select(pool_of(size), batch_size, generator).positions.tolist()) for _ in range(draws)]


def test_all_ordered_batches_of_the_best_points_are_equally_likely() -> None:
    drawn = draw(RandomTop(given(*SCORES), 2.0), 6, 2)
    assert agree(drawn, dict.fromkeys(itertools.permutations([1, 5, 4, 2], 2), 1 / 12))


def test_ratio_1_selects_the_top_b_in_any_order() -> None:
    drawn = draw(RandomTop(given(*SCORES), 1.0), 6, 3)
    assert agree(drawn, dict.fromkeys(itertools.permutations([1, 5, 4]), 1 / 6))


@pytest.mark.parametrize("ratio", [2.9, 10.0, 1e300])
def test_the_draw_is_uniform_if_ratio_times_b_is_at_least_the_pool_size(ratio: float) -> None:
    drawn = draw(RandomTop(given(*SCORES), ratio), 6, 2)
    assert agree(drawn, oracles.ordered_batch_probs([1.0] * 6, 2))


@pytest.mark.parametrize(("ratio", "batch_size", "best"), [(1.2, 2, 2), (1.3, 2, 3), (1.15, 20, 23), (3.0, 1, 3)])
def test_it_draws_from_the_rounded_number_of_ratio_times_b_points(ratio: float, batch_size: int, best: int) -> None:
    scores = [-float(position) for position in range(40)]
    drawn = draw(RandomTop(given(*scores), ratio), 40, batch_size, draws=200)
    assert {position for batch in drawn for position in batch} == set(range(best))


def test_ties_at_the_edge_go_to_the_lower_position() -> None:
    drawn = draw(RandomTop(given(0.5, 0.2, 0.5, 0.5, 0.9), 3.0), 5, 1)
    assert {batch[0] for batch in drawn} == {4, 0, 2}


def test_the_batch_has_the_scores_of_the_one_sample_score() -> None:
    batch = RandomTop(given(*SCORES), 2.0).select(pool_of(6), 3, seeded(0))
    assert batch.scores.tolist() == [SCORES[position] for position in batch.positions.tolist()]


def test_it_draws_from_the_10_b_points_of_highest_bald_by_default() -> None:
    assert RandomTop() == RandomTop(BALD(), 10.0)


def test_it_has_the_needs_of_its_score() -> None:
    assert RandomTop(EPIG()).needs == {"targets"}
    assert RandomTop().needs == frozenset()
    assert RandomTop().least_samples == 2


@pytest.mark.parametrize("ratio", [0.99, 0.0, -1.0, math.inf, math.nan])
def test_a_ratio_below_1_or_not_finite_is_rejected(ratio: float) -> None:
    with pytest.raises(ValueError, match=r"ratio is .*at least 1"):
        RandomTop(BALD(), ratio)


def test_a_nan_score_raises_an_error() -> None:
    with pytest.raises(NumericalError, match=r"point 1\b"):
        RandomTop(given(0.1, math.nan, 0.2)).select(pool_of(3), 1, seeded(0))


def test_the_same_batch_is_drawn_on_every_device(device: torch.device) -> None:
    log_probs_N_K_C = oracles.random_log_probs(7, 50, 4, 3)
    there = RandomTop(ratio=2.0).select(TensorPool(log_probs_N_K_C.to(device)), 10, seeded(2))
    here = RandomTop(ratio=2.0).select(TensorPool(log_probs_N_K_C), 10, seeded(2))
    assert there.positions.device.type == device.type
    assert there.positions.tolist() == here.positions.tolist()
