"""A trained network with MCDropout layers as a fitted model."""

import torch
from torch import Tensor, nn

from softal_bench.bayes.mc_dropout.combined import CombinedPosterior, can_be_combined
from softal_bench.bayes.mc_dropout.masks import Masks, draw_masks
from softal_bench.bayes.mc_dropout.plain import PlainPosterior
from softal_bench.bayes.mc_dropout.structure import WEIGHTED, structure_of
from softal_bench.bayes.mc_dropout.thinned import ThinnedPosterior
from softal_bench.contracts import FittedModel, Posterior


def posterior_of(network: nn.Module, masks: Masks) -> Posterior:
    """The fastest evaluation of the masks that covers the network; all agree to rounding."""
    structure = structure_of(network)
    if structure is None:
        return PlainPosterior(network, masks)
    if can_be_combined(structure):
        return CombinedPosterior(structure, masks)
    return ThinnedPosterior(structure, masks)


class FittedMCDropout(FittedModel):
    """A trained network with MCDropout layers, ending in log-probs. Its weights are laid out channels last."""

    def __init__(self, network: nn.Sequential) -> None:
        self.network = network.eval().to(memory_format=torch.channels_last)  # the faster layout for convolutions

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        return posterior_of(self.network, draw_masks(self.network, num_samples, generator))

    @torch.no_grad()
    def embeddings(self, inputs: Tensor) -> Tensor:
        weighted = [i for i, layer in enumerate(self.network) if isinstance(layer, WEIGHTED)]
        embeddings: Tensor = self.network[: weighted[-1]](inputs)
        return embeddings.flatten(1)
