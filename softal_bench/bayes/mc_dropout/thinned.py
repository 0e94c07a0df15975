"""The thinned evaluation: for each mask a network of its own, without the rows and columns of dropped channels."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.mc_dropout.masks import Masks, kept_first
from softal_bench.bayes.mc_dropout.structure import Run, Structure, Weighted
from softal_bench.contracts import Posterior


class ThinnedPosterior(Posterior):
    """K masks of a network whose structure is known, one after the other.

    Costs for an input: the trunk once, then for each mask about (1 - p)^2 of the arithmetic of the layers between two
    masks. The weights are copied when it is made: K times (1 - p)^2 of those layers.
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
    """A weighted layer without the rows and columns of dropped channels, and the layers that commute with the mask."""

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
    """The channels of the trunk that one mask keeps, and the layers after it for that mask."""
    remaining = iter(mask_per_dropout)
    mask: Tensor | None = next(remaining)
    assert mask is not None
    kept_in_trunk, _ = _kept(mask, runs[0].layer.weight.shape[1])
    layers = []
    for run in runs:
        mask_before, mask = mask, next(remaining) if run.masked else None
        layers.append(_thin_layer(run, mask_before, mask))
    return kept_in_trunk, layers


def _thin_layer(run: Run, mask_before: Tensor | None, mask: Tensor | None) -> _ThinLayer:
    weight, bias = run.layer.weight, run.layer.bias
    if mask_before is not None:
        kept, factor = _kept(mask_before, weight.shape[1])
        weight = weight.index_select(1, kept) * factor.view(1, -1, *[1] * (weight.ndim - 2))
    if mask is not None:
        kept, _ = _kept(mask, len(mask))
        weight = weight.index_select(0, kept)
        bias = None if bias is None else bias.index_select(0, kept)
    return _ThinLayer(run.layer, weight.contiguous(), bias, nn.Sequential(*run.after))


def _kept(mask_F: Tensor, features: int) -> tuple[Tensor, Tensor]:
    """The features of the channels that a mask keeps, and the mask's value at each.

    A channel stands for features / F features in a row once it is flattened. Where the mask keeps no channel the first
    stands in, with its value of 0, so that no layer is empty.
    """
    indices_1_f, factors_1_f = kept_first(mask_F.unsqueeze(0))
    spread = features // len(mask_F)
    kept = indices_1_f[0].unsqueeze(1) * spread + torch.arange(spread, device=mask_F.device)
    return kept.flatten(), factors_1_f[0].repeat_interleave(spread)
