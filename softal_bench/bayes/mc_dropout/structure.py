"""The structure that the fast evaluations need, and the thinned evaluation, which follows from it directly.

A network is a trunk without dropout, followed by layers whose rows and columns a mask can be moved into.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.mc_dropout.masks import Masks, MCDropout, dropout_layers, kept_first
from softal_bench.contracts import Posterior

Weighted = nn.Conv2d | nn.Linear
WEIGHTED = (nn.Conv2d, nn.Linear)
_COMMUTING = (nn.MaxPool2d, nn.ReLU, nn.Flatten)  # with a factor >= 0 for a whole channel


@dataclass(frozen=True)
class Run:
    """A weighted layer and the layers between it and the next weighted layer.

    Attributes:
        layer: a convolution or linear layer.
        after: max-pooling, ReLU and flatten layers, in their order.
        masked: whether there is an MCDropout layer among them; its place does not matter, since it commutes with all.
    """

    layer: Weighted
    after: tuple[nn.Module, ...]
    masked: bool

    @property
    def relu(self) -> bool:
        return any(isinstance(module, nn.ReLU) for module in self.after)

    @property
    def pools(self) -> list[nn.MaxPool2d]:
        return [module for module in self.after if isinstance(module, nn.MaxPool2d)]


@dataclass(frozen=True)
class Structure:
    """A network as log_softmax(runs(mask * trunk(inputs))).

    Attributes:
        trunk: the layers before the first mask, and the layers right after it that commute with it. They run once.
        runs: the remaining layers; the last run gives the logits.
    """

    trunk: nn.Sequential
    runs: tuple[Run, ...]


def structure_of(network: nn.Module) -> Structure | None:
    """Return the structure of a network that the fast evaluations cover, or None for any other network.

    They cover an `nn.Sequential` of these modules, in this order:

    - any modules without MCDropout;
    - an MCDropout layer;
    - ungrouped convolutions with zero padding, linear layers, max-pooling, ReLU, flatten and MCDropout layers. Each
      weighted layer is followed by at most one MCDropout layer, with as many features as the layer has outputs;
    - a linear layer and log-softmax over classes.
    """
    if not isinstance(network, nn.Sequential) or not network:
        return None
    *body, softmax = network
    is_dropout = [isinstance(module, MCDropout) for module in body]
    if type(softmax) is not nn.LogSoftmax or softmax.dim not in (1, -1) or not any(is_dropout):
        return None
    first = is_dropout.index(True)
    before, dropout, after = body[:first], body[first], body[first + 1 :]
    if sum(is_dropout) != len(dropout_layers(network)):  # a dropout layer is inside another module, or is used twice
        return None
    starts = [i for i, module in enumerate(after) if type(module) in WEIGHTED]
    if not starts or not all(type(module) in (*WEIGHTED, *_COMMUTING, MCDropout) for module in after):
        return None
    between = after[: starts[0]]
    pieces = [after[start:end] for start, end in pairwise([*starts, len(after)])]
    assert isinstance(dropout, MCDropout)
    if not (_passes_on(dropout, between, pieces[0][0]) and _can_be_thinned(pieces)):
        return None
    return Structure(nn.Sequential(*before, *between), tuple(_run(piece) for piece in pieces))


def _run(piece: list[nn.Module]) -> Run:
    layer, *after = piece
    assert isinstance(layer, WEIGHTED)
    kept = tuple(module for module in after if not isinstance(module, MCDropout))
    return Run(layer, kept, len(kept) < len(after))


def _passes_on(dropout: MCDropout, between: list[nn.Module], layer: nn.Module) -> bool:
    """Return whether each channel of the dropout layer is a channel or adjacent features of the next weighted layer."""
    if any(isinstance(module, MCDropout) for module in between) or not _flatten_all_but_inputs(between):
        return False
    flattened = any(isinstance(module, nn.Flatten) for module in between)
    if isinstance(layer, nn.Conv2d):
        return not flattened and layer.in_channels == dropout.features
    assert isinstance(layer, nn.Linear)
    return layer.in_features % dropout.features == 0 if flattened else layer.in_features == dropout.features


def _can_be_thinned(pieces: list[list[nn.Module]]) -> bool:
    """Return whether rows and columns of dropped channels can be left out of every weighted layer."""
    *others, (last, *after_last) = pieces
    followed = zip(others, pieces[1:], strict=True)
    return (
        isinstance(last, nn.Linear)
        and not after_last
        and all(_is_thin(layer, after, following[0]) for (layer, *after), following in followed)
    )


def _is_thin(layer: nn.Module, after: list[nn.Module], following: nn.Module) -> bool:
    """Return whether outputs of a weighted layer can be left out, given the layers before the next weighted layer."""
    assert isinstance(layer, WEIGHTED)
    dropouts = [module for module in after if isinstance(module, MCDropout)]
    if len(dropouts) > 1 or any(module.features != len(layer.weight) for module in dropouts):
        return False
    flattened = any(isinstance(module, nn.Flatten) for module in after)
    if isinstance(layer, nn.Linear):
        return not flattened and not any(isinstance(module, nn.MaxPool2d) for module in after)
    plain = layer.groups == 1 and layer.padding_mode == "zeros"
    return plain and flattened == isinstance(following, nn.Linear) and _flatten_all_but_inputs(after)


def _flatten_all_but_inputs(modules: list[nn.Module]) -> bool:
    return all((module.start_dim, module.end_dim) == (1, -1) for module in modules if isinstance(module, nn.Flatten))


class ThinnedPosterior(Posterior):
    """The thinned evaluation of K masks, one mask after the other.

    For one input, the trunk runs once, and each mask costs about (1 - p)^2 of the arithmetic of the layers between two
    masks. The constructor copies the weights of these layers: K (1 - p)^2 times their size.
    """

    @torch.no_grad()
    def __init__(self, structure: Structure, masks: Masks) -> None:
        self._trunk = structure.trunk.eval()
        self._num_samples = len(masks[0])
        self._thinned = [_thin(structure.runs, [masks_K_F[k] for masks_K_F in masks]) for k in range(self._num_samples)]

    @property
    def num_samples(self) -> int:
        return self._num_samples

    @torch.no_grad()
    def log_probs(self, inputs: Tensor) -> Tensor:
        shared = self._trunk(inputs)
        samples = []
        for kept_F, layers in self._thinned:
            hidden = shared.index_select(1, kept_F)
            for layer in layers:
                hidden = layer(hidden)
            samples.append(hidden)
        return torch.stack(samples, dim=1).log_softmax(dim=-1)


@dataclass(frozen=True)
class _ThinLayer:
    """A weighted layer without the rows and columns of dropped channels, and the layers after it."""

    layer: Weighted
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


def _thin(runs: tuple[Run, ...], mask_per_dropout: list[Tensor]) -> tuple[Tensor, list[_ThinLayer]]:
    """Return the channels of the trunk that one mask keeps, and the thinned layers after the trunk."""
    remaining = iter(mask_per_dropout)
    mask: Tensor | None = next(remaining)
    assert mask is not None
    kept_in_trunk, _ = _kept_features(mask, runs[0].layer.weight.shape[1])
    layers = []
    for run in runs:
        mask_before, mask = mask, next(remaining) if run.masked else None
        layers.append(_thin_layer(run, mask_before, mask))
    return kept_in_trunk, layers


def _thin_layer(run: Run, mask_before: Tensor | None, mask: Tensor | None) -> _ThinLayer:
    weight, bias = run.layer.weight, run.layer.bias
    if mask_before is not None:
        kept, factor = _kept_features(mask_before, weight.shape[1])
        weight = weight.index_select(1, kept) * factor.view(1, -1, *[1] * (weight.ndim - 2))
    if mask is not None:
        kept, _ = _kept_features(mask, len(mask))
        weight = weight.index_select(0, kept)
        bias = None if bias is None else bias.index_select(0, kept)
    return _ThinLayer(run.layer, weight.contiguous(), bias, nn.Sequential(*run.after))


def _kept_features(mask_F: Tensor, features: int) -> tuple[Tensor, Tensor]:
    """Return the features of the channels that a mask keeps, and the value of the mask at each.

    A flattened channel is features / F adjacent features. If the mask keeps no channel, the first channel is returned
    with its value of 0, so that no layer is empty.
    """
    indices_1_f, factors_1_f = kept_first(mask_F.unsqueeze(0))
    spread = features // len(mask_F)
    kept = indices_1_f[0].unsqueeze(1) * spread + torch.arange(spread, device=mask_F.device)
    return kept.flatten(), factors_1_f[0].repeat_interleave(spread)
