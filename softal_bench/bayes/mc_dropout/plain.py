"""The plain evaluation: the network as it stands, once for each mask."""

import torch
from torch import Tensor, nn

from softal_bench.bayes.mc_dropout.masks import Masks, dropout_layers
from softal_bench.contracts import Posterior


@torch.no_grad()
def log_probs_plain(network: nn.Module, masks: Masks, inputs: Tensor) -> Tensor:
    """log_probs_n_K_C of a network that ends in log-probs, running it once for each mask."""
    layers = dropout_layers(network)
    network.eval()
    samples = []
    for k in range(len(masks[0])):
        for layer, masks_K_F in zip(layers, masks, strict=True):
            layer.mask_F = masks_K_F[k]
        samples.append(network(inputs))
    for layer in layers:
        layer.mask_F = None
    return torch.stack(samples, dim=1)


class PlainPosterior(Posterior):
    """K masks of any network, evaluated the plain way.

    Of an `nn.Sequential`, the modules before the first one with dropout run once; the others run once for each mask.
    """

    def __init__(self, network: nn.Module, masks: Masks) -> None:
        self._masks = masks
        self._trunk, self._rest = nn.Sequential(), network.eval()
        if isinstance(network, nn.Sequential):
            modules = list(network)
            first = next(i for i, module in enumerate(modules) if dropout_layers(module))
            self._trunk, self._rest = nn.Sequential(*modules[:first]).eval(), nn.Sequential(*modules[first:]).eval()

    @property
    def num_samples(self) -> int:
        return len(self._masks[0])

    @torch.no_grad()
    def log_probs(self, inputs: Tensor) -> Tensor:
        return log_probs_plain(self._rest, self._masks, self._trunk(inputs))
