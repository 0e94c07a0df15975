"""A trained network with MCDropout layers as a fitted model, and the choice of how its masks are evaluated."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from softal_bench.bayes.mc_dropout.combined import CombinedPosterior, can_be_combined
from softal_bench.bayes.mc_dropout.masks import Masks, PlainPosterior, draw_masks, dropout_layers
from softal_bench.bayes.mc_dropout.structure import WEIGHTED, ThinnedPosterior, structure_of
from softal_bench.contracts import FittedModel, Posterior, TrainingRegime


def posterior_of(network: nn.Module, masks: Masks) -> Posterior:
    """Return the fastest evaluation of the masks that covers the network; all evaluations agree to rounding."""
    structure = structure_of(network)
    if structure is None:
        return PlainPosterior(network, masks)
    if can_be_combined(structure):
        return CombinedPosterior(structure, masks)
    return ThinnedPosterior(structure, masks)


# inputs, target_log_probs_N_C, epochs, training regime, generator -> a new network fitted to the targets
Distil = Callable[[Tensor, Tensor, int, TrainingRegime, torch.Generator], FittedModel]


class FittedMCDropout(FittedModel):
    """A trained network with MCDropout layers that ends in log-probs. Its weights are laid out channels last.

    If the network has no MCDropout layer, all its posterior samples are equal.

    Args:
        network: the network.
        epochs: the number of epochs that it was trained for.
        best_epoch: the epoch whose weights it has, from 1.
        distil: fits a new copy to soft targets; see `softal_bench.bayes.training.distil_mc_dropout`.
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
            return _WithHead(DeterministicPosterior(self.network, num_samples), self.network, None)
        masks = draw_masks(self.network, num_samples, generator)
        return _WithHead(posterior_of(self.network, masks), self.network, masks)

    @torch.no_grad()
    def embeddings(self, inputs: Tensor) -> Tensor:
        embeddings: Tensor = self.network[: _last_weighted(self.network)](inputs)
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


def _last_weighted(network: nn.Sequential) -> int:
    return max(i for i, layer in enumerate(network) if isinstance(layer, WEIGHTED))


class _WithHead(Posterior):
    """A posterior of a network, and the part of it that follows the last hidden layer, under the same masks.

    Only the mask of a dropout layer between the last two layers with weights matters there. It commutes with what lies
    between them and the embeddings, so that it can be applied to the embeddings.
    """

    def __init__(self, posterior: Posterior, network: nn.Sequential, masks: Masks | None) -> None:
        last = _last_weighted(network)
        self._posterior = posterior
        self._head = network[last:]
        before = [i for i, layer in enumerate(network[:last]) if isinstance(layer, WEIGHTED)]
        hidden = network[before[-1] + 1 if before else 0 : last]
        self._masks_K_F: Tensor | None = None
        if masks is not None and dropout_layers(hidden):
            self._masks_K_F = masks[len(dropout_layers(network[:last])) - 1]

    @property
    def num_samples(self) -> int:
        return self._posterior.num_samples

    def log_probs(self, inputs: Tensor) -> Tensor:
        return self._posterior.log_probs(inputs)

    @torch.no_grad()
    def head(self, embeddings_n_D: Tensor) -> Tensor:
        if not isinstance(self._head[0], nn.Linear):
            return super().head(embeddings_n_D)
        if self._masks_K_F is None:
            log_probs_n_C: Tensor = self._head(embeddings_n_D)
            return log_probs_n_C.unsqueeze(1).repeat(1, self.num_samples, 1)
        each = embeddings_n_D.shape[1] // self._masks_K_F.shape[1]  # features of a channel
        masks_K_D = self._masks_K_F.repeat_interleave(each, dim=1).to(embeddings_n_D.dtype)
        return torch.stack([self._head(embeddings_n_D * mask_D) for mask_D in masks_K_D], dim=1)


class DeterministicPosterior(Posterior):
    """K equal samples of a network without MCDropout layers, which runs once for all of them."""

    def __init__(self, network: nn.Module, num_samples: int) -> None:
        self._network = network.eval()
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        return self._num_samples

    @torch.no_grad()
    def log_probs(self, inputs: Tensor) -> Tensor:
        log_probs_n_C: Tensor = self._network(inputs)
        return log_probs_n_C.unsqueeze(1).repeat(1, self._num_samples, 1)


def flops_per_input(posterior: Posterior, inputs: Tensor) -> float:
    """Count the floating-point operations of matrix products and convolutions for one input and all K samples.

    A multiplication and an addition count as two operations. They are counted while the posterior predicts the inputs,
    so products with padded rows are included; element-wise operations and copies are not.
    """
    with FlopCounterMode(display=False) as counter:
        posterior.log_probs(inputs)
    return float(counter.get_total_flops() / len(inputs))
