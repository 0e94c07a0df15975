"""The deep ensemble: its posterior samples are its members, each fitted independently."""

import copy
from dataclasses import dataclass

import pytest
import torch
from softal_plugins.models.digits_cnn import DigitsCNN
from softal_plugins.models.ensemble import Ensemble, FittedEnsemble
from softal_plugins.models.mlp import MLP
from torch import Tensor

from softal_bench.bayes.information import bald
from softal_bench.conformance import check_model
from softal_bench.contracts import BayesianModel, Examples, FittedModel, Posterior, TrainingRegime
from softal_bench.errors import DataError

CPU = torch.device("cpu")
QUICK = TrainingRegime(batch_size=16, epoch_draws=64, max_epochs=2)
DETERMINISTIC = MLP((16,), 0.0)
MC_DROPOUT = MLP((16,), 0.5)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


EXAMPLES = Examples(torch.randn(40, 7, generator=seeded(0)), torch.arange(40) % 3, 3)
INPUTS = torch.randn(25, 7, generator=seeded(1))


def ensemble_of(model: BayesianModel, members: int = 5, seed: int = 0) -> FittedEnsemble:
    fitted = Ensemble(model, members).fit(EXAMPLES, EXAMPLES, QUICK, CPU, seeded(seed))
    assert isinstance(fitted, FittedEnsemble)
    return fitted


def predictions(fitted: FittedEnsemble) -> Tensor:
    """Return log_probs_M_n_C of deterministic members, each evaluated on its own."""
    return torch.stack([member.posterior(1, seeded(0)).log_probs(INPUTS)[:, 0] for member in fitted.members])


def members_of(log_probs_n_K_C: Tensor, log_probs_M_n_C: Tensor) -> list[int]:
    """Return, for each sample, the member whose prediction equals it exactly."""
    found = [
        [number for number, member in enumerate(log_probs_M_n_C) if torch.equal(member, sample)]
        for sample in log_probs_n_K_C.unbind(dim=1)
    ]
    assert all(len(numbers) == 1 for numbers in found)
    return [number for (number,) in found]


def distinct(tensor: Tensor) -> int:
    """Return the number of distinct entries along the first dimension."""
    return len(torch.unique(tensor, dim=0))


@pytest.mark.parametrize("model", [DigitsCNN(), MLP((32,), 0.0)], ids=str)
def test_an_ensemble_follows_all_rules_of_models(model: BayesianModel) -> None:
    assert [str(result) for result in check_model(Ensemble(model)) if result.status != "passed"] == []


def test_five_samples_use_each_of_five_members_once() -> None:
    fitted = ensemble_of(DETERMINISTIC)
    posterior = fitted.posterior(5, seeded(0))
    assert posterior.num_samples == 5
    assert sorted(members_of(posterior.log_probs(INPUTS), predictions(fitted))) == [0, 1, 2, 3, 4]


def test_fewer_samples_use_a_random_subset_of_members() -> None:
    fitted = ensemble_of(DETERMINISTIC, 4)
    seen = [members_of(fitted.posterior(2, seeded(s)).log_probs(INPUTS), predictions(fitted)) for s in range(60)]
    assert all(len(set(pair)) == 2 for pair in seen)
    assert {frozenset(pair) for pair in seen} == {frozenset({a, b}) for a in range(4) for b in range(a)}


def test_more_samples_take_the_members_in_turn() -> None:
    fitted = ensemble_of(DETERMINISTIC, 3)
    posterior = fitted.posterior(8, seeded(2))
    order = members_of(posterior.log_probs(INPUTS), predictions(fitted))
    assert posterior.num_samples == 8
    assert sorted(order[:3]) == [0, 1, 2]
    assert order == [order[k % 3] for k in range(8)]


def test_repeating_deterministic_members_does_not_change_means_over_samples() -> None:
    fitted = ensemble_of(DETERMINISTIC, 3)
    once, often = (bald(fitted.posterior(K, seeded(0)).log_probs(INPUTS)) for K in (3, 12))
    assert torch.allclose(once, often, atol=1e-9)


def test_members_with_mc_dropout_draw_new_masks_for_each_sample() -> None:
    fitted = ensemble_of(MC_DROPOUT, 3)
    log_probs_n_K_C = fitted.posterior(9, seeded(0)).log_probs(INPUTS)
    assert distinct(log_probs_n_K_C.transpose(0, 1)) == 9
    generator = seeded(0)
    order = torch.randperm(3, generator=generator).tolist()
    for turn, number in enumerate(order):
        own = fitted.members[number].posterior(3, generator).log_probs(INPUTS)
        assert torch.equal(log_probs_n_K_C[:, turn::3], own)


def test_samples_are_the_same_when_read_again_after_another_posterior_is_drawn() -> None:
    fitted = ensemble_of(MC_DROPOUT, 3)
    posterior = fitted.posterior(7, seeded(0))
    before = posterior.log_probs(INPUTS)
    fitted.posterior(7, seeded(1)).log_probs(INPUTS)
    assert torch.equal(posterior.log_probs(INPUTS), before)


@dataclass
class CountedPosterior(Posterior):
    """K samples that all predict 1/2; counts its evaluations."""

    samples: int
    calls: list[int]

    @property
    def num_samples(self) -> int:
        return self.samples

    def log_probs(self, inputs: Tensor) -> Tensor:
        self.calls.append(len(inputs))
        return torch.full((len(inputs), self.samples, 2), 0.5).log()


class CountedMember(FittedModel):
    """A member that counts its evaluations."""

    def __init__(self, best_epoch: int = 1) -> None:
        self.best_epoch = best_epoch
        self.calls: list[int] = []

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        return CountedPosterior(num_samples, self.calls)


def test_each_member_is_evaluated_only_once() -> None:
    members = [CountedMember() for _ in range(3)]
    assert FittedEnsemble(members).posterior(8, seeded(0)).log_probs(INPUTS).shape == (25, 8, 2)
    assert [member.calls for member in members] == [[25], [25], [25]]


def test_a_member_without_samples_is_not_evaluated() -> None:
    members = [CountedMember() for _ in range(3)]
    FittedEnsemble(members).posterior(2, seeded(0)).log_probs(INPUTS)
    assert sorted(member.calls for member in members) == [[], [25], [25]]


def test_the_best_epoch_is_the_latest_of_the_members() -> None:
    assert FittedEnsemble([CountedMember(epoch) for epoch in (2, 7, 3)]).best_epoch == 7


def test_members_are_fitted_independently() -> None:
    two, three = (predictions(ensemble_of(DETERMINISTIC, members)) for members in (2, 3))
    assert distinct(three) == 3
    assert torch.equal(two, three[:2])
    assert not torch.equal(predictions(ensemble_of(DETERMINISTIC, 2, seed=1)), two)


def test_embeddings_are_concatenated() -> None:
    fitted = ensemble_of(DETERMINISTIC, 3)
    parts = torch.split(fitted.embeddings(INPUTS), 16, dim=1)
    for member, part in zip(fitted.members, parts, strict=True):
        assert torch.equal(member.embeddings(INPUTS), part)


def test_each_member_is_distilled_to_the_same_targets_with_its_own_weights() -> None:
    fitted = ensemble_of(DETERMINISTIC, 3)
    before = copy.deepcopy(predictions(fitted))
    targets_N_C = torch.where(INPUTS[:, :1] > 0, torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.8]))
    regime = TrainingRegime(batch_size=5, learning_rate=0.01)
    distilled = fitted.distil(INPUTS, targets_N_C.log(), 60, regime, seeded(1))
    assert isinstance(distilled, FittedEnsemble)
    probs_M_n_C = predictions(distilled).exp()
    assert (probs_M_n_C.argmax(dim=-1) == targets_N_C.argmax(dim=-1)).float().mean() > 0.9
    assert distinct(probs_M_n_C) == 3
    assert torch.equal(predictions(fitted), before)


def test_an_ensemble_of_ensembles_is_an_ensemble() -> None:
    fitted = Ensemble(Ensemble(DETERMINISTIC, 2), 3).fit(EXAMPLES, EXAMPLES, QUICK, CPU, seeded(0))
    log_probs_n_K_C = fitted.posterior(6, seeded(0)).log_probs(INPUTS)
    assert distinct(log_probs_n_K_C.transpose(0, 1)) == 6


def test_an_ensemble_rejects_inputs_that_its_members_reject() -> None:
    with pytest.raises(DataError, match="digits_cnn takes inputs of shape"):
        Ensemble(DigitsCNN()).fit(EXAMPLES, EXAMPLES, QUICK, CPU, seeded(0))


def test_an_empty_ensemble_is_rejected() -> None:
    with pytest.raises(ValueError, match="members is 0; need at least 1"):
        Ensemble(DETERMINISTIC, 0)
