"""Bayesian logistic regression as a model: what it accepts, learns, offers and distils."""

import pytest
import torch
from softal_plugins.datasets.feature_sets import Reuters8
from softal_plugins.models.logistic import Logistic
from torch import Tensor

from softal_bench.contracts import Examples, FittedModel, TrainingRegime
from softal_bench.errors import DataError

CPU = torch.device("cpu")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(size: int, seed: int = 0) -> Examples:
    """Return points of three classes that overlap a little."""
    labels = torch.arange(size) % 3
    centres = torch.tensor([[0.0, 3.0], [3.0, 0.0], [-3.0, -3.0]])
    return Examples(centres[labels] + torch.randn(size, 2, generator=seeded(seed)), labels, 3)


def fit(examples: Examples, model: Logistic | None = None, device: torch.device = CPU) -> FittedModel:
    return (model or Logistic()).fit(examples, examples.at(torch.arange(0)), TrainingRegime(), device, seeded(0))


def mean_probs(fitted: FittedModel, inputs: Tensor) -> Tensor:
    return fitted.posterior(500, seeded(1)).log_probs(inputs).exp().mean(dim=1)


def test_it_learns_without_a_validation_set_and_is_unsure_far_from_the_data(device: torch.device) -> None:
    fitted = fit(blobs(60).to(device), device=device)
    tested = blobs(600, seed=1).to(device)
    predicted = mean_probs(fitted, tested.inputs)
    assert predicted.device.type == device.type
    assert (predicted.argmax(dim=1) == tested.labels).float().mean() > 0.95
    between = torch.tensor([[0.0, 0.0]], device=device)
    assert mean_probs(fitted, between).max() < predicted.max(dim=1).values.median()


def test_one_label_of_each_class_is_enough_to_fit_and_to_sample() -> None:
    log_probs = fit(blobs(3)).posterior(10, seeded(0)).log_probs(blobs(5).inputs)
    assert log_probs.shape == (5, 10, 3)
    assert log_probs.isfinite().all()
    assert torch.equal(fit(blobs(3)).posterior(10, seeded(0)).log_probs(blobs(5).inputs), log_probs)


def test_a_class_without_labels_has_a_small_probability_near_the_data() -> None:
    examples = blobs(60)
    kept = examples.at((examples.labels != 2).nonzero().flatten())
    assert mean_probs(fit(kept), kept.inputs)[:, 2].median() < 0.1


def test_a_given_precision_is_used_and_a_large_one_shrinks_predictions_to_uniform() -> None:
    flat = mean_probs(fit(blobs(60), Logistic(precision=1e6)), blobs(10).inputs)
    assert (flat - 1 / 3).abs().max() < 0.01


def test_its_embeddings_are_the_inputs_and_its_head_is_the_model() -> None:
    fitted, inputs = fit(blobs(30)), blobs(7).inputs
    posterior = fitted.posterior(4, seeded(0))
    assert torch.equal(posterior.head(fitted.embeddings(inputs)), posterior.log_probs(inputs))


def test_a_distilled_copy_predicts_the_soft_targets() -> None:
    inputs = blobs(300).inputs
    targets = torch.stack([inputs[:, 0], inputs[:, 1], torch.zeros(300)], dim=1).log_softmax(dim=1)
    distilled = fit(blobs(30)).distil(inputs, targets, 1, TrainingRegime(), seeded(0))
    assert (mean_probs(distilled, inputs) - targets.exp()).abs().max() < 0.1


def test_images_are_rejected() -> None:
    images = Examples(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 0, 1]), 2)
    with pytest.raises(DataError, match=r"logistic takes inputs that are vectors; this data set has shape \(1, 8, 8\)"):
        fit(images)


@pytest.mark.parametrize("precision", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_precision_is_rejected(precision: float) -> None:
    with pytest.raises(ValueError, match="precision is"):
        Logistic(precision=precision)


def test_it_reaches_the_known_accuracy_on_reuters8() -> None:
    splits = Reuters8().load(None, seeded(0))  # type: ignore[arg-type]
    some = torch.randperm(len(splits.train), generator=seeded(0))[:200]
    predicted = mean_probs(fit(splits.train.at(some)), splits.test.inputs)
    accuracy = (predicted.argmax(dim=1) == splits.test.labels).float().mean().item()
    assert accuracy == pytest.approx(0.93, abs=0.02)  # as logistic regression
