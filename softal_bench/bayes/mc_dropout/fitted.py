"""A trained network with MCDropout layers as a fitted model."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from softal_bench.bayes.mc_dropout.combined import CombinedPosterior, can_be_combined
from softal_bench.bayes.mc_dropout.deterministic import DeterministicPosterior
from softal_bench.bayes.mc_dropout.masks import Masks, draw_masks, dropout_layers
from softal_bench.bayes.mc_dropout.plain import PlainPosterior
from softal_bench.bayes.mc_dropout.structure import WEIGHTED, structure_of
from softal_bench.bayes.mc_dropout.thinned import ThinnedPosterior
from softal_bench.contracts import FittedModel, Posterior, TrainingRegime


def posterior_of(network: nn.Module, masks: Masks) -> Posterior:
    """The fastest evaluation of the masks that covers the network; all agree to rounding."""
    structure = structure_of(network)
    if structure is None:
        return PlainPosterior(network, masks)
    if can_be_combined(structure):
        return CombinedPosterior(structure, masks)
    return ThinnedPosterior(structure, masks)


# inputs, target_log_probs_N_C, epochs, training regime, generator -> a fresh network fitted to the targets
Distil = Callable[[Tensor, Tensor, int, TrainingRegime, torch.Generator], FittedModel]


class FittedMCDropout(FittedModel):
    """A trained network with MCDropout layers, ending in log-probs. Its weights are laid out channels last.

    A network without any is taken too: all its posterior samples are equal.

    Args:
        network: the network.
        epochs: how many epochs it was trained for.
        best_epoch: the epoch whose weights it has, from 1.
        distil: how a fresh copy is fitted to soft targets; see `softal_bench.bayes.training.distil_mc_dropout`.
    """

    def __init__(
        self, network: nn.Sequential, epochs: int = 1, best_epoch: int = 1, distil: Distil | None = None
    ) -> None:
        self.network = network.eval().to(memory_format=torch.channels_last)  # the faster layout for convolutions
        self.epochs = epochs
        self.best_epoch = best_epoch
        self.stochastic_posterior = bool(dropout_layers(network))
        self._distil = distil

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        if not dropout_layers(self.network):
            return DeterministicPosterior(self.network, num_samples)
        return posterior_of(self.network, draw_masks(self.network, num_samples, generator))

    @torch.no_grad()
    def embeddings(self, inputs: Tensor) -> Tensor:
        weighted = [i for i, layer in enumerate(self.network) if isinstance(layer, WEIGHTED)]
        embeddings: Tensor = self.network[: weighted[-1]](inputs)
        return embeddings.flatten(1)

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> FittedModel:
        if self._distil is None:
            return super().distil(inputs, target_log_probs_N_C, epochs, training, generator)
        return self._distil(inputs, target_log_probs_N_C, epochs, training, generator)
