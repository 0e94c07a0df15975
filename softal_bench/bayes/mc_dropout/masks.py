"""Dropout layers whose masks can be drawn once and shared by all inputs, and the plain evaluation of such masks."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.contracts import Posterior

Masks = list[Tensor]  # one masks_K_F for each MCDropout layer, F its channels or features; values 0 and 1 / (1 - p)


class MCDropout(nn.Module):
    """Dropout of whole channels [n, F, h, w] or of features [n, F].

    In training each example has its own mask: a row of `kept_n_F` (bool) if that is set, and otherwise a draw from the
    global generator of the inputs' device. In evaluation `mask_F` is applied to all inputs; if it is None, nothing
    is dropped.

    Args:
        features: F, the number of channels or features.
        p: the probability that a channel or feature is dropped.

    Raises:
        ValueError: if p is not in [0, 1).
    """

    def __init__(self, features: int, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout is {p}; it must be in [0, 1)")
        self.features = features
        self.p = p
        self.kept_n_F: Tensor | None = None
        self.mask_F: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            return inputs * self._training_mask(inputs)
        if self.mask_F is None:
            return inputs
        return inputs * self.mask_F.view(1, -1, *[1] * (inputs.ndim - 2))

    def _training_mask(self, inputs: Tensor) -> Tensor:
        if self.kept_n_F is None:
            mask_n_F = functional.dropout(inputs.new_ones(len(inputs), self.features), self.p)
        else:
            mask_n_F = self.kept_n_F.to(inputs.dtype) / (1 - self.p)
        return mask_n_F.view(*mask_n_F.shape, *[1] * (inputs.ndim - 2))

    def draw_kept(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw kept_n_F on the CPU, bool: whether each of n examples keeps each feature, with probability 1 - p."""
        return torch.empty(count, self.features, dtype=torch.bool).bernoulli_(1 - self.p, generator=generator)

    def draw_masks(self, num_samples: int, generator: torch.Generator) -> Tensor:
        """Draw masks_K_F on the CPU: each value is 1 / (1 - p) with probability 1 - p, and otherwise 0."""
        kept_K_F = torch.rand(num_samples, self.features, generator=generator) >= self.p
        return kept_K_F.float() / (1 - self.p)


def dropout_layers(network: nn.Module) -> list[MCDropout]:
    """Return the network's MCDropout layers in the network's order, which is the order of `Masks`."""
    return [module for module in network.modules() if isinstance(module, MCDropout)]


def draw_masks(network: nn.Module, num_samples: int, generator: torch.Generator) -> Masks:
    """Draw K masks for each MCDropout layer of the network, in the network's order, on the network's device."""
    device = next(network.parameters()).device
    return [layer.draw_masks(num_samples, generator).to(device) for layer in dropout_layers(network)]


def masked_batches(
    network: nn.Module, count: int, batch_size: int, device: torch.device, generator: torch.Generator
) -> Iterator[slice]:
    """Yield the slice of each batch in an epoch of `count` examples, after setting its training masks in the network.

    The masks of the epoch are drawn on the CPU and moved to the device, so that CPU and CUDA trials share them. They
    take one byte for each example and each feature that can be dropped.
    """
    layers = dropout_layers(network)
    kept = [layer.draw_kept(count, generator).to(device) for layer in layers]
    try:
        for start in range(0, count, batch_size):
            batch = slice(start, start + batch_size)
            for layer, kept_n_F in zip(layers, kept, strict=True):
                layer.kept_n_F = kept_n_F[batch]
            yield batch
    finally:
        for layer in layers:
            layer.kept_n_F = None


def kept_first(mask_G_F: Tensor) -> tuple[Tensor, Tensor]:
    """Return the channels that each of G masks keeps, indices_G_f, and the values of the masks there, factors_G_f.

    f is the largest number of channels that one of the masks keeps, and at least 1. If a mask keeps fewer channels, its
    row is filled with channels that it drops, whose factor is 0. Masks that keep different numbers of channels can thus
    be evaluated as one batch.
    """
    kept_G_F = mask_G_F != 0
    most = max(1, int(kept_G_F.sum(dim=1).max()))
    indices_G_f = kept_G_F.logical_not().byte().argsort(dim=1, stable=True)[:, :most]
    return indices_G_f, mask_G_F.gather(1, indices_G_f)


@torch.no_grad()
def log_probs_plain(network: nn.Module, masks: Masks, inputs: Tensor) -> Tensor:
    """Return log_probs_n_K_C of a network that ends in log-probs, by running it once for each mask."""
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
    """The plain evaluation of K masks, for any network.

    The modules of an `nn.Sequential` before its first module with dropout run once; the others run once for each mask.
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
