"""The warm-up does once what a round does, on the same device and thread, and changes no number of the rounds."""

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from suite.example import acquiring
from torch import Tensor

from softal_bench.contracts import BayesianModel, Examples, FittedModel, Posterior, Splits, TrainingRegime
from softal_bench.registry import models
from softal_bench.run import trials
from softal_bench.run.jobs import Job
from softal_bench.run.trials import TrialWork
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition, Suite, TrialLimits
from softal_bench.trial.trial import warm_up

from .conftest import Loader
from .example import CPU, run, settled
from .fake_plugins import FlatFit, FlatPosterior
from .numbered import as_plugin, numbered_splits

ELSEWHERE = torch.device("meta")


@dataclass(frozen=True)
class Noted(BayesianModel):
    """Records each call with its device and thread, and draws from every global generator."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    error: BaseException | None = None

    def note(self, what: str, inputs: Tensor, *more: object) -> None:
        self.calls.append((what, inputs.device.type, threading.get_ident(), *more))

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        random.random(), np.random.random(), torch.rand(1)  # plugins may do this
        self.note("fit", labelled.inputs, device.type, training.epoch_draws // training.batch_size, training.max_epochs)
        if self.error is not None:
            raise self.error
        return NotedFit(self, labelled.num_classes)


class NotedFit(FlatFit):
    def __init__(self, model: Noted, num_classes: int) -> None:
        super().__init__(num_classes)
        self._model = model

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        return NotedPosterior(self._model, num_samples, self.num_classes)


class NotedPosterior(FlatPosterior):
    def __init__(self, model: Noted, num_samples: int, num_classes: int) -> None:
        super().__init__(num_samples, num_classes)
        self._model = model

    def log_probs(self, inputs: Tensor) -> Tensor:
        self._model.note("log_probs", inputs, self.num_samples, len(inputs))
        return super().log_probs(inputs)


def noting(suite: Suite, model: Noted) -> Condition:
    condition = suite.conditions[0]
    return condition.model_copy(update={"model": as_plugin(condition.model, model, "noted")})


def test_it_fits_one_step_evaluates_and_predicts_a_chunk_on_the_trials_device_in_this_thread(suite: Suite) -> None:
    model, here = Noted(), threading.get_ident()
    condition = noting(suite, model)
    splits = numbered_splits(1000)
    warm_up(condition, splits, CPU)
    assert model.calls == [
        ("fit", "cpu", here, "cpu", 1, 1),
        ("log_probs", "cpu", here, condition.training.evaluation_samples, len(splits.test)),
        ("log_probs", "cpu", here, condition.posterior_samples, 512),
    ]


def test_it_uses_the_device_of_the_trial(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device need not exist: examples are asked to move there, and the model is asked to compute there."""
    moved: list[torch.device] = []

    def to(examples: Examples, device: torch.device) -> Examples:
        moved.append(device)
        return examples

    monkeypatch.setattr(Examples, "to", to)
    model = Noted()
    warm_up(noting(suite, model), numbered_splits(), ELSEWHERE)
    assert moved == [ELSEWHERE] * 4  # labelled set, validation set, test set, pool
    assert [call[3] for call in model.calls if call[0] == "fit"] == ["meta"]


@pytest.mark.parametrize("error", [None, RuntimeError("no luck"), SystemExit(3), MemoryError()], ids=repr)
def test_it_restores_the_global_generators_and_ignores_errors(suite: Suite, error: Any) -> None:
    def next_numbers() -> list[float]:
        return [random.random(), float(np.random.random()), float(torch.rand(1))]

    def seed() -> None:
        random.seed(3)
        np.random.seed(3)
        torch.manual_seed(3)

    seed()
    expected = next_numbers()
    seed()
    model = Noted(error=error)
    warm_up(noting(suite, model), numbered_splits(), CPU)
    assert model.calls
    assert next_numbers() == expected


def test_an_interrupt_is_not_ignored(suite: Suite) -> None:
    with pytest.raises(KeyboardInterrupt):
        warm_up(noting(suite, Noted(error=KeyboardInterrupt())), numbered_splits(), CPU)


def test_it_runs_once_for_each_model_and_data_set_in_a_process(
    load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[tuple[str, str]] = []

    def noted(condition: Condition, splits: Splits, device: torch.device) -> None:
        warmed.append((condition.model.label, condition.dataset.label))

    monkeypatch.setattr(trials, "warm_up", noted)
    work = TrialWork(tmp_path, CPU, TrialLimits())
    matrix = acquiring("uniform", "bald") | {"model": ["digits_cnn", "mlp"]}
    for condition in load(model=None, matrix=matrix).conditions:
        for trial in (0, 1):
            work.take_up(Job(condition, trial, tmp_path / "key.jsonl", 4, "a trial"), [])
    assert sorted(warmed) == [("digits_cnn", "digits"), ("mlp", "digits")]


def test_journals_are_the_same_with_and_without_it(
    load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = load(trials=2)
    run(suite, tmp_path / "warm")
    monkeypatch.setattr(trials, "warm_up", lambda *_: None)
    run(suite, tmp_path / "cold")
    assert settled(tmp_path / "warm") == settled(tmp_path / "cold") != {}


def test_it_runs_on_each_device_with_a_real_model(suite: Suite, device: torch.device) -> None:
    """The warm-up ignores failures, so the posterior is also called here, to show that a real model does not fail."""
    calls: list[torch.device] = []
    condition = suite.conditions[0]
    model = models.build("digits_cnn", {}).__class__

    class Counted(model):  # type: ignore[misc, valid-type]
        def fit(self, *arguments: Any) -> FittedModel:
            fitted: FittedModel = super().fit(*arguments)
            predict = fitted.posterior

            def posterior(num_samples: int, generator: torch.Generator) -> Posterior:
                drawn = predict(num_samples, generator)
                calls.append(drawn.log_probs(arguments[0].inputs).device)
                return drawn

            fitted.posterior = posterior  # type: ignore[method-assign]
            return fitted

    splits = condition.dataset.instance.load(Path("nowhere"), Seeds(0, 0).generator("dataset"))
    plugin = as_plugin(condition.model, Counted(), "counted")
    warm_up(condition.model_copy(update={"model": plugin}), splits, device)
    assert [one.type for one in calls] == [device.type] * 2
