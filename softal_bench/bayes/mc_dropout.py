"""MC dropout with consistent masks: K dropout masks drawn once and shared by all inputs are K posterior samples.

Two evaluations of the same masks, which agree to rounding:

- the plain one works for any module with `MCDropout` layers: the network runs once for each mask;
- the thinned one works for an `nn.Sequential` of the layers in `_COMMUTING`, convolutions and linear layers. A mask
  is a factor >= 0 for a whole channel, so it commutes with max-pooling and ReLU and can be moved into the weights of
  the next layer, where the rows and columns of dropped channels are left out. What comes before the first mask is
  evaluated once for all K masks. At p = 0.5 a layer between two masks costs a quarter of its plain arithmetic.

Source: Gal and Ghahramani 2016, "Dropout as a Bayesian Approximation"; consistent masks: Kirsch et al. 2019,
"BatchBALD".
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.contracts import FittedModel, Posterior

Masks = list[Tensor]  # one masks_K_F for each MCDropout layer, F its channels or features; values 0 and 1 / (1 - p)

_COMMUTING = (nn.MaxPool2d, nn.ReLU, nn.Flatten)
_WEIGHTED = (nn.Conv2d, nn.Linear)


class MCDropout(nn.Module):
    """Dropout of whole channels [n, F, h, w] or of features [n, F].

    In training each example draws its own mask; in evaluation `mask_F` is applied to all inputs, or nothing where it is
    None.
    """

    def __init__(self, features: int, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout is {p}; it must be in [0, 1)")
        self.features = features
        self.p = p
        self.mask_F: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            return functional.dropout2d(inputs, self.p) if inputs.ndim == 4 else functional.dropout(inputs, self.p)
        if self.mask_F is None:
            return inputs
        return inputs * self.mask_F.view(1, -1, *[1] * (inputs.ndim - 2))

    def draw_masks(self, num_samples: int, generator: torch.Generator) -> Tensor:
        """masks_K_F on the CPU: each value 1 / (1 - p) with probability 1 - p, else 0."""
        kept_K_F = torch.rand(num_samples, self.features, generator=generator) >= self.p
        return kept_K_F.float() / (1 - self.p)


def draw_masks(network: nn.Module, num_samples: int, generator: torch.Generator) -> Masks:
    """Draw K masks for each MCDropout layer of the network, in the network's order, on the network's device."""
    device = next(network.parameters()).device
    return [layer.draw_masks(num_samples, generator).to(device) for layer in _dropout_layers(network)]


@torch.no_grad()
def log_probs_plain(network: nn.Module, masks: Masks, inputs: Tensor) -> Tensor:
    """log_probs_n_K_C of a network that ends in log-probs, running it once for each mask."""
    layers = _dropout_layers(network)
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
    """K masks of any network, evaluated the plain way."""

    def __init__(self, network: nn.Module, masks: Masks) -> None:
        self._network = network
        self._masks = masks

    @property
    def num_samples(self) -> int:
        return len(self._masks[0])

    def log_probs(self, inputs: Tensor) -> Tensor:
        return log_probs_plain(self._network, self._masks, inputs)


class ThinnedPosterior(Posterior):
    """K masks of a sequential network, each as a network of its own without the dropped channels.

    Costs for an input: the first weighted layer once, then for each mask about (1 - p)^2 of the arithmetic of the
    layers between two masks. The weights are copied when it is made: K times (1 - p)^2 of the network.
    """

    def __init__(self, network: nn.Sequential, masks: Masks) -> None:
        blocks = _blocks(network)
        self._shared = blocks[0]
        self._num_samples = len(masks[0])
        with torch.no_grad():
            self._thinned = [_thin(blocks, [masks_K_F[k] for masks_K_F in masks]) for k in range(self._num_samples)]

    @property
    def num_samples(self) -> int:
        return self._num_samples

    @torch.no_grad()
    def log_probs(self, inputs: Tensor) -> Tensor:
        shared = self._shared.after(self._shared.layer(inputs))
        samples = []
        for kept_F, layers in self._thinned:
            hidden = shared if kept_F is None else shared.index_select(1, kept_F)
            for layer in layers:
                hidden = layer(hidden)
            samples.append(hidden)
        return torch.stack(samples, dim=1).log_softmax(dim=-1)


class FittedMCDropout(FittedModel):
    """A trained network with MCDropout layers, ending in log-probs."""

    def __init__(self, network: nn.Sequential) -> None:
        self.network = network.eval()

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        masks = draw_masks(self.network, num_samples, generator)
        if can_be_thinned(self.network):
            return ThinnedPosterior(self.network, masks)
        return PlainPosterior(self.network, masks)

    @torch.no_grad()
    def embeddings(self, inputs: Tensor) -> Tensor:
        weighted = [i for i, layer in enumerate(self.network) if isinstance(layer, _WEIGHTED)]
        embeddings: Tensor = self.network[: weighted[-1]](inputs)
        return embeddings.flatten(1)


@dataclass(frozen=True)
class _Block:
    """A weighted layer with what follows it up to the next one; `dropout` is the mask's place in `Masks`, if any."""

    layer: nn.Conv2d | nn.Linear
    after: nn.Sequential
    dropout: int | None


@dataclass(frozen=True)
class _ThinLayer:
    """A weighted layer without the rows and columns of dropped channels, and the layers that commute with the mask."""

    layer: nn.Conv2d | nn.Linear
    weight: Tensor
    bias: Tensor | None
    after: nn.Sequential

    def __call__(self, hidden: Tensor) -> Tensor:
        if isinstance(self.layer, nn.Linear):
            result = functional.linear(hidden, self.weight, self.bias)
        else:
            result = functional.conv2d(
                hidden, self.weight, self.bias, self.layer.stride, self.layer.padding, self.layer.dilation
            )
        after: Tensor = self.after(result)
        return after


def can_be_thinned(network: nn.Module) -> bool:
    """Whether the thinned evaluation covers the network.

    It is an `nn.Sequential` that starts with a weighted layer and ends in a linear layer and log-softmax over classes,
    with at most one MCDropout layer after each weighted one, over its channels or features, and convolutions ungrouped.
    """
    if not isinstance(network, nn.Sequential) or len(network) < 3:
        return False
    *body, last, softmax = network
    known = all(isinstance(layer, (*_WEIGHTED, *_COMMUTING, MCDropout)) for layer in body)
    ends_well = isinstance(last, nn.Linear) and isinstance(softmax, nn.LogSoftmax) and softmax.dim in (1, -1)
    starts_well = isinstance(body[0], _WEIGHTED)
    plain_convolutions = all(
        layer.groups == 1 and layer.padding_mode == "zeros" for layer in body if isinstance(layer, nn.Conv2d)
    )
    if not (known and ends_well and starts_well and plain_convolutions):
        return False
    runs = _runs(network)
    masks = [[layer for layer in run if isinstance(layer, MCDropout)] for run in runs]
    of_channels = all(
        mask.features == len(run[0].weight) for run, found in zip(runs, masks, strict=True) for mask in found
    )
    return max(map(len, masks)) == 1 and of_channels


def _dropout_layers(network: nn.Module) -> list[MCDropout]:
    return [module for module in network.modules() if isinstance(module, MCDropout)]


def _runs(network: nn.Sequential) -> list[list[Any]]:
    """The network cut before each weighted layer."""
    starts = [i for i, layer in enumerate(network) if isinstance(layer, _WEIGHTED)]
    layers = list(network)
    return [layers[start:end] for start, end in zip(starts, [*starts[1:], len(layers)], strict=True)]


def _blocks(network: nn.Sequential) -> list[_Block]:
    blocks: list[_Block] = []
    masks_so_far = 0
    for layer, *rest in _runs(network):
        has_mask = any(isinstance(module, MCDropout) for module in rest)
        after = nn.Sequential(*[module for module in rest if isinstance(module, _COMMUTING)])
        assert isinstance(layer, _WEIGHTED)
        blocks.append(_Block(layer, after, masks_so_far if has_mask else None))
        masks_so_far += has_mask
    return blocks


def _thin(blocks: list[_Block], mask_per_dropout: list[Tensor]) -> tuple[Tensor | None, list[_ThinLayer]]:
    """The channels of the shared first block that mask k keeps, and the layers after it for that mask."""
    mask_before = _mask_of(blocks[0], mask_per_dropout)
    kept_first = None
    if mask_before is not None:
        flattened = any(isinstance(layer, nn.Flatten) for layer in blocks[0].after)
        kept_first, _ = _kept(mask_before, blocks[1].layer.weight.shape[1] if flattened else len(mask_before))
    layers = []
    for block in blocks[1:]:
        mask = _mask_of(block, mask_per_dropout)
        layers.append(_thin_layer(block, mask_before, mask))
        mask_before = mask
    return kept_first, layers


def _thin_layer(block: _Block, mask_before: Tensor | None, mask: Tensor | None) -> _ThinLayer:
    weight, bias = block.layer.weight, block.layer.bias
    if mask_before is not None:
        kept, factor = _kept(mask_before, weight.shape[1])
        weight = weight.index_select(1, kept) * factor.view(1, -1, *[1] * (weight.ndim - 2))
    if mask is not None:
        kept, _ = _kept(mask, len(mask))
        weight = weight.index_select(0, kept)
        bias = None if bias is None else bias.index_select(0, kept)
    return _ThinLayer(block.layer, weight.contiguous(), bias, block.after)


def _mask_of(block: _Block, mask_per_dropout: list[Tensor]) -> Tensor | None:
    return None if block.dropout is None else mask_per_dropout[block.dropout]


def _kept(mask_F: Tensor, features: int) -> tuple[Tensor, Tensor]:
    """The features of the channels that a mask keeps, and the mask's value at each.

    A channel stands for features / F features in a row once it is flattened. Where the mask keeps no channel the first
    stands in, with its value of 0, so that no layer is empty.
    """
    channels = mask_F.nonzero().flatten()
    channels = channels if len(channels) else torch.zeros(1, dtype=torch.int64, device=mask_F.device)
    spread = features // len(mask_F)
    kept = (channels.unsqueeze(1) * spread + torch.arange(spread, device=mask_F.device)).flatten()
    return kept, mask_F[channels].repeat_interleave(spread)
