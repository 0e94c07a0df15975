"""A fresh network is fitted to soft targets."""

import torch
from softal_plugins.models.digits_cnn import DigitsCNN
from torch import nn

from softal_bench.bayes.training import distil_mc_dropout, evaluation_log_probs, fit_mc_dropout
from softal_bench.contracts import Examples, TrainingRegime

CPU = torch.device("cpu")
REGIME = TrainingRegime(batch_size=16, epoch_draws=256, max_epochs=4, patience=2, learning_rate=0.01)
ARITHMETIC = REGIME.model_copy(update={"evaluation_mean": "arithmetic"})


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build() -> nn.Sequential:
    return DigitsCNN().network(3)


def striped(count: int, seed: int) -> Examples:
    """Return images whose class is the position of their bright stripe."""
    labels = torch.arange(count) % 3
    inputs = 0.3 * torch.randn(count, 1, 8, 8, generator=seeded(seed))
    for number, label in enumerate(labels.tolist()):
        inputs[number, 0, 2 * label + 1] += 2.0
    return Examples(inputs, labels, 3)


def test_the_distilled_network_matches_the_original_on_new_inputs() -> None:
    fitted = fit_mc_dropout(build, striped(60, 0), striped(30, 1), REGIME, CPU, seeded(0))
    inputs, new = striped(600, 2).inputs, striped(90, 3).inputs
    targets_N_C = evaluation_log_probs(fitted, inputs, 4, REGIME, seeded(1))
    distilled = fitted.distil(inputs, targets_N_C, 3, REGIME, seeded(2))
    fresh = distil_mc_dropout(build, inputs, targets_N_C, 0, REGIME, seeded(2))
    expected, found, untrained = (
        evaluation_log_probs(one, new, 20, ARITHMETIC, seeded(3)) for one in (fitted, distilled, fresh)
    )
    divergence = (expected.exp() * (expected - found)).sum(dim=1).mean()
    assert divergence < 0.1 * (expected.exp() * (expected - untrained)).sum(dim=1).mean()
    assert (expected.argmax(1) == found.argmax(1)).float().mean() > 0.95


def test_distillation_uses_new_weights_and_does_not_modify_the_model() -> None:
    fitted = fit_mc_dropout(build, striped(60, 0), striped(30, 1), REGIME, CPU, seeded(0))
    before = [parameter.clone() for parameter in fitted.network.parameters()]
    inputs = striped(32, 2).inputs
    targets_N_C = evaluation_log_probs(fitted, inputs, 4, REGIME, seeded(1))
    one, again, other = (fitted.distil(inputs, targets_N_C, 1, REGIME, seeded(seed)) for seed in (2, 2, 3))
    predictions = [model.posterior(3, seeded(0)).log_probs(inputs) for model in (one, again, other)]
    assert torch.equal(predictions[0], predictions[1])
    assert not torch.equal(predictions[0], predictions[2])
    assert all(torch.equal(*pair) for pair in zip(before, fitted.network.parameters(), strict=True))


def test_a_fit_reports_its_best_epoch() -> None:
    first = fit_mc_dropout(
        build, striped(60, 0), striped(30, 1), REGIME.model_copy(update={"max_epochs": 1}), CPU, seeded(0)
    )
    assert (first.epochs, first.best_epoch) == (1, 1)
    wrong = striped(30, 1)
    wrong = Examples(wrong.inputs, (wrong.labels + 1) % 3, 3)  # validation gets worse from the first epoch on
    patient = REGIME.model_copy(update={"patience": 4})
    stopped = fit_mc_dropout(build, striped(60, 0), wrong, patient, CPU, seeded(0))
    assert (stopped.epochs, stopped.best_epoch) == (4, 1)
    right = REGIME.model_copy(update={"learning_rate": 0.001, "max_epochs": 3})
    assert fit_mc_dropout(build, striped(60, 0), striped(30, 1), right, CPU, seeded(0)).best_epoch == 3
