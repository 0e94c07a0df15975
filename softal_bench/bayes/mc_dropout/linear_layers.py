"""Linear layers under K masks, several masks at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from softal_bench.bayes.mc_dropout.masks import kept_first
from softal_bench.bayes.mc_dropout.memory import Workspace
from softal_bench.bayes.mc_dropout.structure import Run


@dataclass(frozen=True)
class _Layer:
    """The same layer under G masks: rows and columns that a mask drops are left out, or 0 to fill up a batch."""

    weights_G_o_i: Tensor
    bias_G_o_1: Tensor
    relu: bool


@dataclass(frozen=True)
class _Group:
    """Masks of like sizes: which of the K they are, and the rows of the table that each reads."""

    masks_G: Tensor
    rows_Gf: Tensor
    layers: list[_Layer]


class LinearLayers:
    """The last layers of a network, for all K masks.

    Args:
        runs: linear layers; may be none.
        row_K_F: where in the table of shared rows each mask's input channels stand.
        masks: masks_K_F of the channels that come in, then masks_K_O of each layer, ones where nothing is dropped.
        batch: how many masks are evaluated at once.

    Arithmetic for an input and mask: 2 (1 - p)^2 of the weights of a layer between two masks, and what fills up masks
    of a batch to the size of the largest. The weights are copied: K times (1 - p)^2 of them.
    """

    def __init__(self, runs: Sequence[Run], row_K_F: Tensor, masks: Sequence[Tensor], batch: int) -> None:
        order_K = (masks[0] != 0).sum(dim=1).argsort(descending=True, stable=True)
        self._groups = [
            _group(runs, masks_G, row_K_F[masks_G], [masks_K_F[masks_G] for masks_K_F in masks])
            for masks_G in torch.split(order_K, batch)
        ]

    def values_per_input(self, positions: int) -> int:
        """How many numbers of its tables belong to one input."""
        return positions * max(len(group.rows_Gf) for group in self._groups)

    def logits(self, table_R_Pn: Tensor, inputs: int, classes: int, workspace: Workspace) -> Tensor:
        """logits_K_C_n from a table with a row for each input channel, P positions x inputs in each."""
        samples = sum(len(group.masks_G) for group in self._groups)
        logits_K_C_n = workspace.table("logits", samples, classes, inputs)
        for group in self._groups:
            hidden = workspace.table("hidden", len(group.rows_Gf), table_R_Pn.shape[1])
            torch.index_select(table_R_Pn, 0, group.rows_Gf, out=hidden)
            hidden = hidden.view(len(group.masks_G), -1, inputs)
            for layer in group.layers:
                hidden = torch.baddbmm(layer.bias_G_o_1, layer.weights_G_o_i, hidden)
                hidden = hidden.relu_() if layer.relu else hidden
            logits_K_C_n.index_copy_(0, group.masks_G, hidden)
        return logits_K_C_n


def _group(runs: Sequence[Run], masks_G: Tensor, row_G_F: Tensor, masks: Sequence[Tensor]) -> _Group:
    kept = [kept_first(mask_G_F) for mask_G_F in masks]
    rows_Gf = row_G_F.gather(1, kept[0][0]).flatten()
    layers = [
        _layer(run, mask_G_F.shape[1], *before, outputs_G_o)
        for run, mask_G_F, (before, (outputs_G_o, _)) in zip(runs, masks, pairwise(kept), strict=False)
    ]
    return _Group(masks_G, rows_Gf, layers)


def _layer(run: Run, channels: int, kept_G_f: Tensor, factors_G_f: Tensor, kept_G_o: Tensor) -> _Layer:
    layer = run.layer
    weights_O_F_W = layer.weight.view(len(layer.weight), channels, -1)
    weights_G_o_f_W = weights_O_F_W[kept_G_o.unsqueeze(2), kept_G_f.unsqueeze(1)]
    weights_G_o_f_W.mul_(factors_G_f[:, None, :, None])
    bias_O = layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
    return _Layer(weights_G_o_f_W.flatten(2), bias_O[kept_G_o].unsqueeze(2), run.relu)
