"""The combined evaluation: all K masks from one pass over the inputs.

The first layer after the mask combines the contributions of its input channels (`Combination`). The linear layers after
that are evaluated for several masks at a time (`LinearLayers`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from softal_bench.bayes.mc_dropout.combination import (
    Budget,
    Combination,
    Windows,
    Workspace,
    budget_of,
    even_parts,
    tiling_pool,
)
from softal_bench.bayes.mc_dropout.masks import Masks, kept_first
from softal_bench.bayes.mc_dropout.structure import Run, Structure
from softal_bench.contracts import Posterior


@dataclass(frozen=True)
class _Layer:
    """A layer under G masks, without the rows and columns that a mask drops; smaller masks are padded with zeros."""

    weights_G_o_i: Tensor
    bias_G_o_1: Tensor
    relu: bool


@dataclass(frozen=True)
class _MaskGroup:
    """Masks that keep similar numbers of channels: their numbers, and the rows of the table that they read."""

    masks_G: Tensor
    rows_Gf: Tensor
    layers: list[_Layer]


class LinearLayers:
    """The last layers of a network, for all K masks.

    Args:
        runs: the linear layers; there may be none.
        row_K_F: for each mask and input channel, its row in the table of shared rows.
        masks: masks_K_F of the input channels, then masks_K_O of each layer, with ones where nothing is dropped.
        batch: the number of masks that are evaluated at once.

    For one input and mask, a layer between two masks costs 2 (1 - p)^2 operations for each of its weights, and the
    padding of the batch to its largest mask. The constructor copies the weights: K (1 - p)^2 times their size.
    """

    def __init__(self, runs: Sequence[Run], row_K_F: Tensor, masks: Sequence[Tensor], batch: int) -> None:
        order_K = (masks[0] != 0).sum(dim=1).argsort(descending=True, stable=True)
        self._groups = [
            _mask_group(runs, masks_G, row_K_F[masks_G], [masks_K_F[masks_G] for masks_K_F in masks])
            for masks_G in torch.split(order_K, batch)
        ]

    def values_per_input(self, positions: int) -> int:
        """Return how many numbers of the tables belong to one input."""
        return positions * max(len(group.rows_Gf) for group in self._groups)

    def logits(self, table_R_Pn: Tensor, inputs: int, classes: int, workspace: Workspace) -> Tensor:
        """Return logits_K_C_n from a table with a row of P positions x n inputs for each input channel."""
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


def _mask_group(runs: Sequence[Run], masks_G: Tensor, row_G_F: Tensor, masks: Sequence[Tensor]) -> _MaskGroup:
    kept = [kept_first(mask_G_F) for mask_G_F in masks]
    rows_Gf = row_G_F.gather(1, kept[0][0]).flatten()
    layers = [
        _layer(run, mask_G_F.shape[1], *before, outputs_G_o)
        for run, mask_G_F, (before, (outputs_G_o, _)) in zip(runs, masks, pairwise(kept), strict=False)
    ]
    return _MaskGroup(masks_G, rows_Gf, layers)


def _layer(run: Run, channels: int, kept_G_f: Tensor, factors_G_f: Tensor, kept_G_o: Tensor) -> _Layer:
    layer = run.layer
    weights_O_F_W = layer.weight.view(len(layer.weight), channels, -1)
    weights_G_o_f_W = weights_O_F_W[kept_G_o.unsqueeze(2), kept_G_f.unsqueeze(1)]
    weights_G_o_f_W.mul_(factors_G_f[:, None, :, None])
    bias_O = layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
    return _Layer(weights_G_o_f_W.flatten(2), bias_O[kept_G_o].unsqueeze(2), run.relu)


def can_be_combined(structure: Structure) -> bool:
    """Return whether at most one convolution follows the first mask, and the pooling after it tiles its outputs."""
    first, *others = structure.runs
    padded_by_name = isinstance(first.layer, nn.Conv2d) and isinstance(first.layer.padding, str)
    all_linear = all(isinstance(run.layer, nn.Linear) for run in others)
    return all_linear and tiling_pool(first) is not None and not padded_by_name


class CombinedPosterior(Posterior):
    """The combined evaluation of K masks, for a network whose structure allows it; see `can_be_combined`.

    The trunk runs once. If a convolution, or a linear layer over flattened channels, comes next, it combines the
    contributions of its input channels (`Combination`). The linear layers after that, or right after a trunk that gives
    features, are evaluated for several masks at a time, without the rows and columns that the masks drop
    (`LinearLayers`).

    Holds `Budget.table_bytes` and the log-probs, for any number of inputs.
    """

    @torch.no_grad()
    def __init__(self, structure: Structure, masks: Masks) -> None:
        first, *others = structure.runs
        self._trunk = structure.trunk.eval()
        self._budget: Budget = budget_of(first.layer.weight.device)
        drawn = iter([masks_K_F.to(first.layer.weight.dtype) for masks_K_F in masks])
        shared = next(drawn)
        self._num_samples = len(shared)
        self._classes = len(structure.runs[-1].layer.weight)
        after = [
            next(drawn) if run.masked else shared.new_ones(len(shared), len(run.layer.weight)) for run in structure.runs
        ]
        self._first = first
        self._channels = shared.shape[1]
        self._combination: Combination | None = None
        if isinstance(first.layer, nn.Linear) and first.layer.in_features == self._channels:
            row_K_F = torch.arange(self._channels, device=shared.device).expand_as(shared)
            self._linear = LinearLayers(structure.runs, row_K_F, [shared, *after], self._budget.batch)
        else:
            self._combination = Combination(first, shared, after[0], self._budget.batch)
            self._linear = LinearLayers(others, self._combination.row_K_O, after, self._budget.batch)

    @property
    def num_samples(self) -> int:
        return self._num_samples

    @torch.no_grad()
    def log_probs(self, inputs: Tensor) -> Tensor:
        weight = self._first.layer.weight
        log_probs_n_K_C = weight.new_empty(len(inputs), self._num_samples, self._classes)
        workspace, done = Workspace(weight), 0
        for inputs_n in even_parts(inputs, self._budget.inputs):
            shared = self._trunk(inputs_n)
            for shared_n in even_parts(shared, self._inputs_at_once(shared)):
                log_probs_K_C_n = self._logits(shared_n, workspace).log_softmax(dim=1)
                log_probs_n_K_C[done : done + len(shared_n)] = log_probs_K_C_n.permute(2, 0, 1)
                done += len(shared_n)
        return log_probs_n_K_C

    def _logits(self, shared: Tensor, workspace: Workspace) -> Tensor:
        if self._combination is None:
            table_F_n = shared.T.contiguous()
        else:
            table_F_n = self._combination.outputs(shared, self._windows(shared), workspace)
        return self._linear.logits(table_F_n, len(shared), self._classes, workspace)

    def _windows(self, shared: Tensor) -> Windows:
        if isinstance(self._first.layer, nn.Linear):
            return Windows.of_linear(self._channels, self._first.layer.in_features)
        pool = tiling_pool(self._first)
        assert pool is not None
        return Windows.of_convolution(self._first.layer, pool, (shared.shape[2], shared.shape[3]))

    def _inputs_at_once(self, shared: Tensor) -> int:
        if self._combination is None:
            values = shared.shape[1] + self._linear.values_per_input(1)
        else:
            windows = self._windows(shared)
            values = self._combination.values_per_input(windows) + self._linear.values_per_input(windows.positions)
        fitting = self._budget.table_bytes // (values * shared.element_size())
        return max(1, fitting // 16 * 16 or fitting)  # a multiple of 16 fills whole vector registers
