"""A small sound model, and variants with one flaw each, named after the rule that they break."""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.contracts import BayesianModel, Examples, FittedModel, Posterior, TrainingRegime

_CALLS = itertools.count(1)


@dataclass(frozen=True)
class NearestMean(BayesianModel):
    """Uses distances to the means of two classes as logits, to which each posterior sample adds noise."""

    flaw: str = ""

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        if self.flaw == "images only" and labelled.inputs.ndim != 4:
            raise RuntimeError("expected images")
        if self.flaw == "nothing":
            raise RuntimeError("it takes nothing")
        if self.flaw == "global_generators":
            torch.rand(1)
        if self.flaw == "global_settings":
            torch.set_float32_matmul_precision("medium")
        if self.flaw == "unchanged_inputs":
            labelled.inputs.clamp_(-0.5, 0.5)
        inputs = labelled.inputs.flatten(1)
        means = torch.stack([inputs[labelled.labels == label].mean(dim=0) for label in range(2)])
        shift = next(_CALLS) * 1e-3 if self.flaw == "repeatable" else 0.0
        return Fitted(self.flaw, means, shift)


class Fitted(FittedModel):
    def __init__(self, flaw: str, means_C_D: Tensor, shift: float = 0.0) -> None:
        self._flaw = flaw
        self._means_C_D = means_C_D
        self._shift = shift
        self._shared = torch.zeros(1)
        self._seen: set[int] = set()
        if flaw == "best_epoch":
            self.best_epoch = 0

    @property
    def stochastic_posterior(self) -> bool:  # type: ignore[override]
        return self._flaw != "snapshots"

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        seed = generator.initial_seed()
        rows = 1 if self._flaw == "samples_differ" else num_samples
        source = torch.Generator().manual_seed(9) if self._flaw in ("other_state", "snapshots") else generator
        noise_K_C = (0.3 * torch.randn(rows, 2, generator=source)).expand(num_samples, 2)
        if self._flaw == "same_state" and seed in self._seen:
            noise_K_C = 2 * noise_K_C
        self._seen.add(seed)
        if self._flaw == "fixed_samples":
            self._shared.resize_(noise_K_C.shape).copy_(noise_K_C)
            noise_K_C = self._shared
        return Samples(self._flaw, self.logits, noise_K_C)

    def logits(self, inputs: Tensor) -> Tensor:
        distances_n_C = torch.cdist(inputs.flatten(1), self._means_C_D)
        return (distances_n_C.flip(1) - distances_n_C) * (
            0.0 if self._flaw == "learns" else 1.0
        ) + self._shift * torch.tensor([1.0, 0.0])

    def embeddings(self, inputs: Tensor) -> Tensor:
        return inputs.flatten() if self._flaw == "embeddings" else inputs.flatten(1)

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> FittedModel:
        return Distilled(self._flaw, target_log_probs_N_C, inputs)


class Distilled(Fitted):
    """Predicts the target of the nearest input that it was distilled on."""

    def __init__(self, flaw: str, targets_N_C: Tensor, inputs: Tensor) -> None:
        super().__init__("", torch.zeros(2, math.prod(inputs.shape[1:])))
        self._targets_N_C = targets_N_C * (0.0 if flaw == "distil" else 1.0)
        self._inputs = inputs.flatten(1)

    def logits(self, inputs: Tensor) -> Tensor:
        return self._targets_N_C[torch.cdist(inputs.flatten(1), self._inputs).argmin(dim=1)]


class Samples(Posterior):
    def __init__(self, flaw: str, logits, noise_K_C: Tensor) -> None:  # type: ignore[no-untyped-def]
        self._flaw = flaw
        self._logits = logits
        self._noise_K_C = noise_K_C

    @property
    def num_samples(self) -> int:
        return len(self._noise_K_C) + (self._flaw == "num_samples")

    def log_probs(self, inputs: Tensor) -> Tensor:
        logits_n_K_C: Tensor = self._logits(inputs)[:, None, :] + self._noise_K_C
        if self._flaw == "chunks":
            logits_n_K_C = logits_n_K_C + torch.tensor([0.01, 0.0]) * len(inputs)
        return logits_n_K_C if self._flaw == "normalised" else logits_n_K_C.log_softmax(dim=-1)
