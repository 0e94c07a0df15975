"""EPIG-BALD compared with a computation by hand on two small posteriors."""

import oracles
import pytest
import torch
from softal_plugins.acquisitions.batch_epig_bald import BatchEPIGBALD
from softal_plugins.acquisitions.epig_bald import EPIGBALD
from softal_plugins.acquisitions.power import Power
from softal_plugins.acquisitions.softmax import Softmax
from softal_plugins.acquisitions.softrank import Softrank

from softal_bench.pools import TensorPool
from softal_bench.registry import acquisitions

MODEL, EVALUATION = oracles.random_log_probs(0, 9, 4, 3), oracles.random_log_probs(1, 9, 5, 3, concentration=2.0)


def pool() -> TensorPool:
    return TensorPool(MODEL, chunk_size=4, evaluation=TensorPool(EVALUATION, chunk_size=2))


def test_the_score_is_the_difference_of_the_two_mutual_informations() -> None:
    expected = [
        oracles.bald(model) - oracles.bald(evaluation)
        for model, evaluation in zip(oracles.probs_of(MODEL), oracles.probs_of(EVALUATION), strict=True)
    ]
    assert EPIGBALD().scores(pool()).tolist() == pytest.approx(expected, abs=1e-12)
    assert min(expected) < 0 < max(expected)  # scores of both signs occur


def test_it_is_zero_if_both_posteriors_are_equal() -> None:
    twice = TensorPool(MODEL, evaluation=TensorPool(MODEL))
    assert EPIGBALD().scores(twice).abs().max() == 0


def test_it_selects_top_scores() -> None:
    scores_N = EPIGBALD().scores(pool())
    batch = EPIGBALD().select(pool(), 3, torch.Generator())
    assert batch.positions.tolist() == scores_N.topk(3).indices.tolist()


@pytest.mark.parametrize("rule", [Softmax, Power, Softrank])
def test_rules_with_it_need_an_evaluation_posterior(rule: type[Softmax | Power | Softrank]) -> None:
    over = rule(EPIGBALD(), 0.125)
    assert over.needs == {"evaluation"}
    batch = over.select(pool(), 9, torch.Generator().manual_seed(0))
    assert sorted(batch.positions.tolist()) == list(range(9))


def test_power_selects_points_with_negative_scores_last() -> None:
    negative = (EPIGBALD().scores(pool()) <= 0).nonzero().flatten().tolist()
    for seed in range(20):
        batch = Power(EPIGBALD(), 0.125).select(pool(), 9, torch.Generator().manual_seed(seed))
        assert set(batch.positions.tolist()[-len(negative) :]) == set(negative)


def test_the_error_names_a_missing_evaluation_posterior() -> None:
    with pytest.raises(LookupError, match="evaluation"):
        EPIGBALD().select(TensorPool(MODEL), 2, torch.Generator())


def test_the_first_point_of_the_batch_version_has_the_best_score() -> None:
    batch = BatchEPIGBALD().select(pool(), 1, torch.Generator())
    assert batch.positions.item() == EPIGBALD().scores(pool()).argmax().item()
    assert batch.scores.item() == pytest.approx(EPIGBALD().scores(pool()).max().item(), abs=1e-12)


def test_they_are_installed_under_the_names_that_suites_use() -> None:
    assert acquisitions.resolve("epig_bald").label == "epig_bald"
    assert acquisitions.resolve({"power": {"score": "epig_bald"}}).label == "power(epig_bald, T=0.125)"
    assert acquisitions.resolve({"batch_epig_bald": {"joint_samples": 500}}).label == "batch_epig_bald(M=500)"


def test_zero_joint_samples_are_rejected() -> None:
    with pytest.raises(ValueError, match="joint_samples is 0"):
        BatchEPIGBALD(0)
