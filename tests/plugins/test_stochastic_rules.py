"""Softmax, power and softrank: exact sampling without replacement, their limits, and pitfalls of the paper."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import oracles
import pytest
import torch
from frequencies import agree
from softal_plugins.acquisitions.bald import BALD
from softal_plugins.acquisitions.entropy import Entropy
from softal_plugins.acquisitions.power import Power
from softal_plugins.acquisitions.softmax import Softmax
from softal_plugins.acquisitions.softrank import Softrank
from torch import Tensor

from softal_bench.contracts import OneSampleScore, Pool
from softal_bench.errors import NumericalError
from softal_bench.pools import TensorPool

Rule = Softmax | Power | Softrank
Weights = Callable[[Sequence[float], float], list[float]]
DRAWS = 5000


def softmax_weights(scores: Sequence[float], temperature: float) -> list[float]:
    return [math.exp(score / temperature) for score in scores]


def power_weights(scores: Sequence[float], temperature: float) -> list[float]:
    return [max(score, 0.0) ** (1 / temperature) for score in scores]


def softrank_weights(scores: Sequence[float], temperature: float) -> list[float]:
    ranks = [1 + sum(other > score for other in scores) for score in scores]
    return [float(rank) ** (-1 / temperature) for rank in ranks]


RULES: list[tuple[type[Rule], Weights]] = [
    (Softmax, softmax_weights),
    (Power, power_weights),
    (Softrank, softrank_weights),
]
each_rule = pytest.mark.parametrize("rule", [rule for rule, _ in RULES])
each_rule_and_weights = pytest.mark.parametrize(("rule", "weights"), RULES, ids=[rule.__name__ for rule, _ in RULES])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def given(*scores: float) -> OneSampleScore:
    return oracles.GivenScores(torch.tensor(scores, dtype=torch.float64))


def pool_of(size: int) -> Pool:
    return TensorPool(torch.full((size, 2, 2), 0.5).log())


def draw(rule: Rule, pool: Pool, batch_size: int, draws: int = DRAWS) -> list[tuple[int, ...]]:
    generator = seeded(0)
    return [tuple(rule.select(pool, batch_size, generator).positions.tolist()) for _ in range(draws)]


@each_rule_and_weights
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_first_picks_and_pairs_are_distributed_as_if_drawn_one_by_one(
    rule: type[Rule], weights: Weights, temperature: float
) -> None:
    scores = (0.1, 0.9, 0.5, 0.02, 0.6)
    exact = weights(scores, temperature)
    drawn = draw(rule(given(*scores), temperature), pool_of(5), 2)
    assert agree([pair[:1] for pair in drawn], oracles.first_pick_probs(exact))
    assert agree(drawn, oracles.ordered_batch_probs(exact, 2))


@each_rule_and_weights
def test_bald_and_temperature_1_8_are_the_defaults(rule: type[Rule], weights: Weights) -> None:
    log_probs_N_K_C = oracles.random_log_probs(5, 6, 4, 3)
    balds = [oracles.bald(point) for point in oracles.probs_of(log_probs_N_K_C)]
    assert rule() == rule(BALD(), 0.125)
    drawn = draw(rule(), TensorPool(log_probs_N_K_C), 2)
    assert agree(drawn, oracles.ordered_batch_probs(weights(balds, 0.125), 2))


@each_rule
def test_the_batch_has_the_scores_of_the_one_sample_score(rule: type[Rule]) -> None:
    log_probs_N_K_C = oracles.random_log_probs(5, 9, 4, 3)
    entropies = [oracles.predictive_entropy(point) for point in oracles.probs_of(log_probs_N_K_C)]
    batch = rule(Entropy(), 0.7).select(TensorPool(log_probs_N_K_C), 4, seeded(1))
    assert batch.scores.tolist() == pytest.approx([entropies[position] for position in batch.positions.tolist()])


@each_rule
@pytest.mark.parametrize("temperature", [1e-4, 1e-30, 1e-300])
def test_the_batch_is_the_top_b_at_low_temperature(rule: type[Rule], temperature: float) -> None:
    scores = (0.1, 0.9, 0.5, 0.02, 0.6, 0.7)
    drawn = draw(rule(given(*scores), temperature), pool_of(6), 4, draws=50)
    assert set(drawn) == {(1, 5, 4, 2)}


@each_rule
@pytest.mark.parametrize("temperature", [1e6, 1e300])
def test_the_batch_is_uniform_at_high_temperature(rule: type[Rule], temperature: float) -> None:
    drawn = draw(rule(given(0.1, 0.9, 0.5, 0.02, 0.6), temperature), pool_of(5), 2)
    assert agree(drawn, oracles.ordered_batch_probs([1.0] * 5, 2))


@each_rule
def test_a_lower_temperature_takes_the_best_point_more_often(rule: type[Rule]) -> None:
    shares = []
    for temperature in (8.0, 1.0, 0.125):
        drawn = draw(rule(given(0.1, 0.9, 0.5, 0.02, 0.6), temperature), pool_of(5), 1, draws=1500)
        shares.append(drawn.count((1,)))
    assert shares[0] < shares[1] < shares[2]


@each_rule
@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_that_is_not_positive_and_finite_is_rejected(rule: type[Rule], temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        rule(BALD(), temperature)


def test_softrank_uses_ranks_and_not_the_sorting_permutation() -> None:
    # Scores 0.1, 0.9, 0.5 have ranks 3, 1, 2; the permutation that sorts them is 2, 3, 1.
    drawn = draw(Softrank(given(0.1, 0.9, 0.5), 1.0), pool_of(3), 1)
    assert agree(drawn, {(0,): 2 / 11, (1,): 6 / 11, (2,): 3 / 11})


def test_softrank_breaks_ties_at_random() -> None:
    drawn = draw(Softrank(given(0.5, 0.2, 0.5, 0.5), 0.01), pool_of(4), 3, draws=3000)
    assert agree(drawn, dict.fromkeys(itertools.permutations([0, 2, 3]), 1 / 6))


@each_rule
@pytest.mark.parametrize("temperature", [0.125, 1e-300])
def test_equal_scores_make_any_rule_uniform(rule: type[Rule], temperature: float) -> None:
    drawn = draw(rule(given(0.3, 0.3, 0.3, 0.3), temperature), pool_of(4), 2, draws=3000)
    assert agree(drawn, oracles.ordered_batch_probs([1.0] * 4, 2))


@pytest.mark.parametrize("nothing", [0.0, -1e-9])
def test_power_selects_points_of_weight_0_last_in_random_order(nothing: float) -> None:
    # A slightly negative score once gave NaN, which topk sorts first, so that the worst points were acquired.
    drawn = draw(Power(given(nothing, 0.5, -1e-7, 0.3, 0.0), 0.125), pool_of(5), 5, draws=3000)
    assert {frozenset(batch[:2]) for batch in drawn} == {frozenset({1, 3})}
    assert agree([batch[2:] for batch in drawn], dict.fromkeys(itertools.permutations([0, 2, 4]), 1 / 6))


def test_power_selects_points_of_weight_0_last_at_any_temperature() -> None:
    for batch in draw(Power(given(0.0, 1e-9, -1e-3, 0.9), 1e6), pool_of(4), 4, draws=200):
        assert set(batch[:2]) == {1, 3}


def test_power_is_uniform_if_all_points_have_weight_0() -> None:
    drawn = draw(Power(given(-1e-9, 0.0, -1e-3, 0.0), 0.125), pool_of(4), 2, draws=3000)
    assert agree(drawn, oracles.ordered_batch_probs([1.0] * 4, 2))


def test_softmax_gives_weight_to_negative_scores() -> None:
    scores = (-0.4, 0.1, -0.05, 0.3)
    drawn = draw(Softmax(given(*scores), 0.5), pool_of(4), 2)
    assert agree(drawn, oracles.ordered_batch_probs(softmax_weights(scores, 0.5), 2))


@each_rule
def test_one_hot_predictions_give_a_full_batch_with_the_informative_point_first(rule: type[Rule]) -> None:
    agreed, opposed = torch.eye(3)[[0, 0, 0]], torch.eye(3)[[0, 1, 2]]
    pool = TensorPool(torch.stack([agreed, agreed, opposed, agreed]).log())
    for batch in draw(rule(BALD(), 1e-3), pool, 4, draws=20):
        assert batch[0] == 2
        assert sorted(batch) == [0, 1, 2, 3]


@each_rule
def test_the_callers_scores_are_not_modified(rule: type[Rule]) -> None:
    for dtype in (torch.float32, torch.float64):
        scores_N = torch.tensor([0.1, -0.2, 0.5, 0.0], dtype=dtype)
        before = scores_N.clone()
        rule(oracles.GivenScores(scores_N), 0.125).select(pool_of(4), 3, seeded(0))
        assert torch.equal(scores_N, before)


@each_rule
def test_a_nan_score_raises_an_error(rule: type[Rule]) -> None:
    with pytest.raises(NumericalError, match=r"(position|point) 1\b"):
        rule(given(0.1, math.nan, 0.2), 0.125).select(pool_of(3), 1, seeded(0))


@each_rule
def test_a_rule_has_the_needs_of_its_score(rule: type[Rule]) -> None:
    class Embedded(oracles.GivenScores):
        needs = frozenset({"embeddings"})

    assert rule(Embedded(torch.zeros(1)), 1.0).needs == {"embeddings"}
    assert rule().needs == frozenset()


@each_rule
def test_a_rule_is_immutable(rule: type[Rule]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule().temperature = 1.0  # type: ignore[misc]


@each_rule
def test_rules_draw_the_same_batch_on_every_device(rule: type[Rule], device: torch.device) -> None:
    log_probs_N_K_C: Tensor = oracles.random_log_probs(7, 50, 4, 3)
    there = rule().select(TensorPool(log_probs_N_K_C.to(device)), 10, seeded(2))
    here = rule().select(TensorPool(log_probs_N_K_C), 10, seeded(2))
    assert there.positions.device.type == device.type
    assert there.positions.tolist() == here.positions.tolist()
