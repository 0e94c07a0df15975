"""The built-in models as a trial uses them, fitted to real digits; inputs of a wrong shape are refused."""

import math
from pathlib import Path

import pytest
import torch
from softal_plugins.datasets.digits import Digits
from softal_plugins.models.digits_cnn import DigitsCNN
from softal_plugins.models.lenet5 import LeNet5

from softal_bench.bayes.training import accuracy_and_nll, evaluation_log_probs
from softal_bench.contracts import BayesianModel, Examples, TrainingRegime
from softal_bench.errors import DataError

MODELS: list[tuple[BayesianModel, int]] = [(DigitsCNN(), 8), (LeNet5(), 28)]
each_model = pytest.mark.parametrize(("model", "size"), MODELS, ids=["digits_cnn", "lenet5"])
QUICK = TrainingRegime(batch_size=16, epoch_draws=32, max_epochs=1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(size: int, count: int = 12, num_classes: int = 3) -> Examples:
    inputs = torch.randn(count, 1, size, size, generator=seeded(0))
    return Examples(inputs, torch.arange(count) % num_classes, num_classes)


def test_the_small_model_learns_the_digits_from_120_labels(device: torch.device) -> None:
    splits = Digits().load(Path("/nowhere"), torch.Generator())
    order = torch.randperm(len(splits.train), generator=seeded(0))
    labelled, validation = splits.train.at(order[:120]), splits.train.at(order[120:320])
    regime = TrainingRegime(batch_size=32, epoch_draws=1024, max_epochs=12)
    fitted = DigitsCNN().fit(labelled, validation, regime, device, seeded(0))
    unseen = splits.test.to(device)
    log_probs_n_C = evaluation_log_probs(fitted, unseen.inputs, 4, TrainingRegime(), seeded(1))
    accuracy, nll = accuracy_and_nll(log_probs_n_C, unseen.labels)
    assert accuracy >= 0.9
    assert nll < 0.5


@each_model
def test_a_fitted_model_predicts_all_classes_of_the_data_on_its_device(
    model: BayesianModel, size: int, device: torch.device
) -> None:
    examples = images(size)
    fitted = model.fit(examples, examples, QUICK, device, seeded(0))
    posterior = fitted.posterior(5, seeded(0))
    log_probs_n_K_C = posterior.log_probs(examples.inputs.to(device))
    assert posterior.num_samples == 5
    assert log_probs_n_K_C.shape == (12, 5, 3)
    assert log_probs_n_K_C.device.type == device.type
    assert fitted.embeddings(examples.inputs.to(device)).shape == (12, 128 if size == 28 else 288)


@each_model
def test_only_the_generator_determines_a_fit(model: BayesianModel, size: int) -> None:
    examples, predictions = images(size), []
    for seed, global_seed in [(0, 1), (0, 2), (3, 1)]:
        torch.manual_seed(global_seed)
        fitted = model.fit(examples, examples, QUICK, torch.device("cpu"), seeded(seed))
        predictions.append(fitted.posterior(3, seeded(0)).log_probs(examples.inputs))
    assert torch.equal(predictions[0], predictions[1])
    assert not torch.equal(predictions[0], predictions[2])


@each_model
def test_the_error_for_images_of_another_size_names_both(model: BayesianModel, size: int) -> None:
    wrong = images(9)
    with pytest.raises(DataError, match=rf"\(1, {size}, {size}\).*\(1, 9, 9\)"):
        model.fit(wrong, wrong, QUICK, torch.device("cpu"), seeded(0))


@pytest.mark.parametrize("build", [DigitsCNN, LeNet5])
@pytest.mark.parametrize("dropout", [0.0, 1.0, -0.5, math.nan])
def test_a_dropout_outside_0_to_1_is_rejected(build: type[DigitsCNN | LeNet5], dropout: float) -> None:
    with pytest.raises(ValueError, match="dropout is"):
        build(dropout)
