"""The multilayer perceptron: inputs of any shape, any hidden layers, with and without dropout."""

import math
from pathlib import Path

import pytest
import torch
from softal_plugins.datasets.digits import Digits
from softal_plugins.models.mlp import MLP
from torch import nn
from torch.nn import functional

from softal_bench.bayes.mc_dropout import CombinedPosterior, FittedMCDropout, draw_masks, log_probs_plain, posterior_of
from softal_bench.bayes.training import accuracy_and_nll, evaluation_log_probs
from softal_bench.contracts import Examples, TrainingRegime
from softal_bench.registry import models

CPU = torch.device("cpu")
QUICK = TrainingRegime(batch_size=16, epoch_draws=32, max_epochs=1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def examples(shape: tuple[int, ...], count: int = 12, num_classes: int = 3) -> Examples:
    return Examples(torch.randn(count, *shape, generator=seeded(0)), torch.arange(count) % num_classes, num_classes)


def fitted_to(model: MLP, given: Examples, device: torch.device = CPU) -> FittedMCDropout:
    fitted = model.fit(given, given, QUICK, device, seeded(0))
    assert isinstance(fitted, FittedMCDropout)
    return fitted


@pytest.mark.parametrize("model", [MLP(), MLP((64,), 0.0)], ids=["dropout", "deterministic"])
def test_it_learns_the_digits_from_120_labels(model: MLP, device: torch.device) -> None:
    splits = Digits().load(Path("/nowhere"), torch.Generator())
    order = torch.randperm(len(splits.train), generator=seeded(0))
    labelled, validation = splits.train.at(order[:120]), splits.train.at(order[120:320])
    regime = TrainingRegime(batch_size=32, epoch_draws=1024, max_epochs=12)
    fitted = model.fit(labelled, validation, regime, device, seeded(0))
    unseen = splits.test.to(device)
    log_probs_n_C = evaluation_log_probs(fitted, unseen.inputs, 4, TrainingRegime(), seeded(1))
    accuracy, _ = accuracy_and_nll(log_probs_n_C, unseen.labels)
    assert accuracy >= 0.85


@pytest.mark.parametrize("shape", [(7,), (1, 5, 4), (3, 2, 2, 2)])
@pytest.mark.parametrize("model", [MLP((16, 8)), MLP((16, 8), 0.0), MLP((), 0.0)], ids=str)
def test_log_probs_are_computed_on_the_device_for_inputs_of_any_shape(
    model: MLP, shape: tuple[int, ...], device: torch.device
) -> None:
    given = examples(shape)
    posterior = fitted_to(model, given, device).posterior(5, seeded(0))
    log_probs_n_K_C = posterior.log_probs(given.inputs.to(device))
    assert posterior.num_samples == 5
    assert log_probs_n_K_C.shape == (12, 5, 3)
    assert log_probs_n_K_C.device.type == device.type
    assert log_probs_n_K_C.logsumexp(dim=-1).abs().max() < 1e-5


@pytest.mark.parametrize("hidden", [(16,), (16, 8), (16, 8, 24)])
def test_fast_evaluation_of_all_masks_matches_plain_evaluation(hidden: tuple[int, ...]) -> None:
    given = examples((1, 5, 4))
    network = fitted_to(MLP(hidden), given).network
    masks = draw_masks(network, 7, seeded(1))
    assert [mask_K_F.shape[1] for mask_K_F in masks] == list(hidden)
    fast = posterior_of(network, masks)
    assert isinstance(fast, CombinedPosterior)
    assert (fast.log_probs(given.inputs) - log_probs_plain(network, masks, given.inputs)).abs().max() < 1e-5


def test_dropout_0_adds_no_dropout_layer_and_makes_all_samples_equal() -> None:
    given = examples((7,))
    fitted = fitted_to(MLP((16,), 0.0), given)
    assert [type(layer) for layer in fitted.network] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear, nn.LogSoftmax]
    log_probs_n_K_C = fitted.posterior(4, seeded(0)).log_probs(given.inputs)
    with torch.no_grad():
        prediction = fitted.network(given.inputs)
    for k in range(4):
        assert torch.equal(log_probs_n_K_C[:, k], prediction)


@pytest.mark.parametrize(("model", "size"), [(MLP((16, 8)), 8), (MLP((16, 8), 0.0), 8), (MLP((), 0.0), 20)], ids=str)
def test_embeddings_are_the_last_hidden_layer_or_the_flattened_inputs(model: MLP, size: int) -> None:
    given = examples((1, 5, 4))
    fitted = fitted_to(model, given)
    hidden = given.inputs.flatten(1)
    with torch.no_grad():
        for layer in [layer for layer in fitted.network if isinstance(layer, nn.Linear)][:-1]:
            hidden = functional.linear(hidden, layer.weight, layer.bias).relu()
    assert fitted.embeddings(given.inputs).shape == (12, size)
    assert torch.allclose(fitted.embeddings(given.inputs), hidden, atol=1e-6)


@pytest.mark.parametrize("model", [MLP((64,), 0.2), MLP((64,), 0.0), MLP((), 0.0)], ids=str)
def test_it_can_be_distilled(model: MLP) -> None:
    given = examples((7,), count=60)
    targets_N_C = torch.where(given.inputs[:, :1] > 0, torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.8]))
    regime = TrainingRegime(batch_size=8, learning_rate=0.01)
    distilled = fitted_to(model, given).distil(given.inputs, targets_N_C.log(), 40, regime, seeded(1))
    predicted = distilled.posterior(20, seeded(0)).log_probs(given.inputs).exp().mean(dim=1)
    assert (predicted.argmax(dim=1) == targets_N_C.argmax(dim=1)).float().mean() > 0.9
    assert distilled.best_epoch == 40


def test_only_the_generator_determines_a_fit() -> None:
    given, predictions = examples((7,)), []
    for seed, global_seed in [(0, 1), (0, 2), (3, 1)]:
        torch.manual_seed(global_seed)
        fitted = MLP((16,)).fit(given, given, QUICK, CPU, seeded(seed))
        predictions.append(fitted.posterior(3, seeded(0)).log_probs(given.inputs))
    assert torch.equal(predictions[0], predictions[1])
    assert not torch.equal(predictions[0], predictions[2])


def test_a_suite_file_gives_the_hidden_layers_as_a_list() -> None:
    plugin = models.resolve({"mlp": {"hidden": [16, 8]}})
    assert plugin.instance == MLP((16, 8))
    assert plugin.parameters == {"hidden": [16, 8], "dropout": 0.5}


@pytest.mark.parametrize("dropout", [1.0, -0.5, math.nan])
def test_a_dropout_outside_0_to_1_is_rejected(dropout: float) -> None:
    with pytest.raises(ValueError, match=r"dropout is .*; it must be at least 0 and below 1"):
        MLP(dropout=dropout)


@pytest.mark.parametrize("hidden", [(0,), (8, -1)])
def test_a_hidden_layer_without_features_is_rejected(hidden: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"hidden is \[.*\]; each width must be at least 1"):
        MLP(hidden)


def test_dropout_needs_a_hidden_layer() -> None:
    with pytest.raises(ValueError, match=r"dropout is 0.5, but with no hidden layer .*set it to 0"):
        MLP(())
