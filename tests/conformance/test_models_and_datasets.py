"""Built-in models and data sets keep every rule; planted ones are caught."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from softal_bench.conformance import Result, check_dataset, check_model, check_plugin
from softal_bench.contracts import (
    BayesianModel,
    Dataset,
    Examples,
    FittedModel,
    Posterior,
    Provenance,
    Splits,
    TrainingRegime,
)
from softal_bench.registry import datasets, models


def failed(results: list[Result]) -> list[str]:
    return [result.rule for result in results if result.failed]


@dataclass(frozen=True)
class Guesser(BayesianModel):
    """Knows nothing, draws masks anew at every call, and does not normalise, as `flaw` says."""

    flaw: str = ""

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        if self.flaw == "global":
            torch.rand(1)
        return _Fitted(self.flaw)


class _Fitted(FittedModel):
    def __init__(self, flaw: str) -> None:
        self._flaw = flaw

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        return _Samples(self._flaw, torch.randn(num_samples, 2, generator=generator))


class _Samples(Posterior):
    def __init__(self, flaw: str, logits_K_C: Tensor) -> None:
        self._flaw = flaw
        self._logits_K_C = logits_K_C

    @property
    def num_samples(self) -> int:
        return len(self._logits_K_C)

    def log_probs(self, inputs: Tensor) -> Tensor:
        logits_n_K_C = self._logits_K_C.expand(len(inputs), -1, -1)
        if self._flaw == "inconsistent":
            logits_n_K_C = logits_n_K_C + inputs.flatten(1).sum(dim=1).sum()
            return (logits_n_K_C * len(inputs)).log_softmax(dim=-1)
        return logits_n_K_C if self._flaw == "unnormalised" else logits_n_K_C.log_softmax(dim=-1)


@pytest.mark.parametrize("name", models.names())
def test_built_in_models_keep_every_rule(name: str) -> None:
    assert failed(check_model(models.build(name))) == []


@pytest.mark.parametrize(
    ("flaw", "broken"),
    [
        ("", "learns a separable problem"),
        ("unnormalised", "log-probs are normalised"),
        ("inconsistent", "a posterior's samples are the same for all inputs and chunks"),
        ("global", "touches no global generator"),
    ],
)
def test_the_rule_that_a_model_breaks_is_told(flaw: str, broken: str) -> None:
    assert broken in failed(check_model(Guesser(flaw)))


@dataclass(frozen=True)
class Made(Dataset):
    """Four points, with a flaw."""

    flaw: str = ""

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        inputs = torch.rand(4, 3) if self.flaw == "unrepeatable" else torch.ones(4, 3)
        if self.flaw == "infinite":
            inputs = inputs / 0
        labels = torch.tensor([0, 1, 0, 1 if self.flaw != "classless" else 0])
        labels = labels if self.flaw != "classless" else torch.zeros_like(labels)
        examples = Examples(inputs, labels, 2)
        return Splits(examples, examples, Provenance("made", 3 if self.flaw == "miscounted" else 4, "0" * 64))


@pytest.mark.parametrize(
    ("flaw", "broken"),
    [
        ("infinite", "inputs are finite and every class is there"),
        ("classless", "inputs are finite and every class is there"),
        ("miscounted", "says where it comes from"),
        ("unrepeatable", "the same generator state gives the same bytes"),
    ],
)
def test_the_rule_that_a_data_set_breaks_is_told(flaw: str, broken: str, tmp_path: Path) -> None:
    assert failed(check_dataset(Made(flaw), tmp_path)) == [broken]
    assert failed(check_dataset(Made(), tmp_path)) == []


def test_the_digits_keep_every_rule(tmp_path: Path) -> None:
    results = check_plugin(datasets, "digits", tmp_path)
    assert results
    assert all(result.status == "passed" for result in results)


def test_what_cannot_be_checked_here_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (missing,) = check_plugin(datasets, "mnist", tmp_path)
    assert (missing.status, "train-images-idx3-ubyte" in missing.detail) == ("skipped", True)
    (needs,) = check_plugin(datasets, "repeated", tmp_path)
    assert (needs.status, needs.detail) == ("skipped", "of has no default; check it in a suite")
