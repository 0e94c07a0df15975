"""Trials on data whose examples are numbers, so that a test can tell which of them were read."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from softal_bench.contracts import (
    AcquiredBatch,
    AcquisitionFunction,
    BayesianModel,
    Examples,
    FittedModel,
    Pool,
    Posterior,
    Provenance,
    Splits,
    TrainingRegime,
)
from softal_bench.journal.lines import Round
from softal_bench.pools import PosteriorPool
from softal_bench.registry import Plugin
from softal_bench.suite import Condition
from softal_bench.trial.trial import Trial

from .fake_plugins import FlatFit, FlatPosterior

CPU = torch.device("cpu")
SIZE, VALIDATION, START, CLASSES = 90, 20, 12, 3


def numbered_splits(size: int = SIZE, labels: Tensor | None = None) -> Splits:
    """Return data whose example i is the number i, of class i mod 3 unless `labels` says otherwise."""
    numbers = torch.arange(size)
    labels = numbers % CLASSES if labels is None else labels
    examples = Examples(numbers.float().unsqueeze(1), labels, CLASSES)
    return Splits(examples, examples.at(torch.arange(6)), Provenance("numbers", size, ""))


@dataclass(frozen=True)
class Remembers(BayesianModel):
    """Records the indices of the examples that it is fitted to and validated on."""

    labelled: list[list[int]] = field(default_factory=list)
    validation: list[list[int]] = field(default_factory=list)
    fit_as: Callable[[int], FittedModel] = FlatFit

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        self.labelled.append(indices(labelled))
        self.validation.append(indices(validation))
        return self.fit_as(labelled.num_classes)


def indices(examples: Examples) -> list[int]:
    return [int(number) for number in examples.inputs[:, 0]]


def first(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    return AcquiredBatch(torch.arange(batch_size), torch.zeros(batch_size))


def at_random(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    return AcquiredBatch(torch.randperm(pool.size, generator=generator)[:batch_size], torch.zeros(batch_size))


@dataclass(frozen=True)
class Chooses(AcquisitionFunction):
    """Chooses with the function `choose`, and records the indices of the pools."""

    choose: Callable[[Pool, int, torch.Generator], Any] = first
    pools: list[list[int]] = field(default_factory=list)

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        assert isinstance(pool, PosteriorPool)
        self.pools.append(pool.indices(torch.arange(pool.size)))
        chosen: AcquiredBatch = self.choose(pool, batch_size, generator)
        return chosen


def as_plugin(plugin: Plugin[Any], instance: object, label: str) -> Plugin[Any]:
    """Return the plugin with another object and label."""
    return replace(plugin, instance=instance, label=label)


@dataclass
class Setting:
    """A condition of the plugins above, and its trials."""

    base: Condition
    acquisition: Chooses = field(default_factory=Chooses)
    model: Remembers = field(default_factory=Remembers)

    def condition(self, **changes: Any) -> Condition:
        plugins = {
            "acquisition": as_plugin(self.base.acquisition, self.acquisition, "chooses(label)"),
            "model": as_plugin(self.base.model, self.model, "remembers"),
        }
        return self.base.model_copy(update=plugins | changes)

    def trial(self, number: int = 0, splits: Splits | None = None, **changes: Any) -> Trial:
        return Trial(self.condition(**changes), number, splits or numbered_splits(), CPU)

    def rounds(self, **changes: Any) -> list[Round]:
        return list(self.trial(**changes).rounds([]))


class Numbered(FlatFit):
    """A fit whose posterior gives class 0 the probability (1 + example's number) / 1000, so that examples differ."""

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        return NumberedPosterior(num_samples, self.num_classes)


class NumberedPosterior(FlatPosterior):
    def log_probs(self, inputs: Tensor) -> Tensor:
        probs_n_1 = (1 + inputs[:, :1]) / 1000
        num_classes = self._shape[1]
        others_n_C = ((1 - probs_n_1) / (num_classes - 1)).expand(-1, num_classes - 1)
        return torch.cat([probs_n_1, others_n_C], dim=1).log().unsqueeze(1).expand(-1, self.num_samples, -1)


def numbers_in(pool: Pool) -> list[int]:
    """Return the numbers of the examples of a pool under a `NumberedPosterior`."""
    log_probs_N_K_C = torch.cat([log_probs_n_K_C for _, log_probs_n_K_C in pool.log_probs()])
    return [round(1000 * prob - 1) for prob in log_probs_N_K_C[:, 0, 0].exp().tolist()]
