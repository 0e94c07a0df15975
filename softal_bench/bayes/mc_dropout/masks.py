"""Dropout layers whose masks can be drawn once and shared by all inputs."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

Masks = list[Tensor]  # one masks_K_F for each MCDropout layer, F its channels or features; values 0 and 1 / (1 - p)


class MCDropout(nn.Module):
    """Dropout of whole channels [n, F, h, w] or of features [n, F].

    In training each example has a mask of its own: the rows of `kept_n_F` (bool) where that is set, else masks from the
    global generator of the inputs' device. In evaluation `mask_F` is applied to all inputs, or nothing if it is None.
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
        """kept_n_F on the CPU, bool: whether each of n examples keeps each feature, with probability 1 - p."""
        return torch.empty(count, self.features, dtype=torch.bool).bernoulli_(1 - self.p, generator=generator)

    def draw_masks(self, num_samples: int, generator: torch.Generator) -> Tensor:
        """masks_K_F on the CPU: each value 1 / (1 - p) with probability 1 - p, else 0."""
        kept_K_F = torch.rand(num_samples, self.features, generator=generator) >= self.p
        return kept_K_F.float() / (1 - self.p)


def dropout_layers(network: nn.Module) -> list[MCDropout]:
    """The network's MCDropout layers, in its order: that of `Masks`."""
    return [module for module in network.modules() if isinstance(module, MCDropout)]


def draw_masks(network: nn.Module, num_samples: int, generator: torch.Generator) -> Masks:
    """Draw K masks for each MCDropout layer of the network, in the network's order, on the network's device."""
    device = next(network.parameters()).device
    return [layer.draw_masks(num_samples, generator).to(device) for layer in dropout_layers(network)]


def masked_batches(
    network: nn.Module, count: int, batch_size: int, device: torch.device, generator: torch.Generator
) -> Iterator[slice]:
    """Yield the slice of each batch of an epoch of `count` examples, with its training masks set in the network.

    The epoch's masks are drawn on the CPU and moved to the device, so that CPU and CUDA trials share them. They take a
    byte for each example and each feature that can be dropped.
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
    """The channels that each of G masks keeps, as one table: indices_G_f and the masks' values there, factors_G_f.

    f is the largest number that one of them keeps, at least 1. A mask that keeps fewer fills its row with channels that
    it drops, whose factor is 0, so that masks of unlike sizes can be evaluated as one batch.
    """
    kept_G_F = mask_G_F != 0
    most = max(1, int(kept_G_F.sum(dim=1).max()))
    indices_G_f = kept_G_F.logical_not().byte().argsort(dim=1, stable=True)[:, :most]
    return indices_G_f, mask_G_F.gather(1, indices_G_f)
