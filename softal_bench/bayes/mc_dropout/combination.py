"""The first layer after a mask, for all K masks from one pass over the inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.mc_dropout.masks import kept_first
from softal_bench.bayes.mc_dropout.memory import Workspace
from softal_bench.bayes.mc_dropout.structure import Run
from softal_bench.bayes.mc_dropout.windows import Windows, weights_by_channel


@dataclass(frozen=True)
class _Group:
    """Output channels with the masks that keep each: factors_G_R_F1 for R rows each, written to `rows` of the table."""

    channels: slice
    rows: slice
    factors_G_R_F1: Tensor


@dataclass(frozen=True)
class _Block:
    """Output channels whose contributions are in memory together; the groups count channels from the block's first."""

    weights_F_O_W: Tensor
    bias_O: Tensor
    groups: list[_Group]


_GROUPS_IN_BLOCK = 2  # the contributions to 2 x 16 output channels still lie in a near cache when they are combined


class Combination:
    """A layer is linear, so its outputs under mask k are a combination of what each input channel contributes:

        output_ko = bias_o + sum_f mask_kf contribution_fo,    contribution_fo = weights_fo * input_f.

    The contributions do not depend on k and are computed once, by one product for each input channel. The
    combination is a product for each output channel, of which only the masks take part that keep the channel. The bias
    is one more contribution, which every mask keeps. Max-pooling over V members and ReLU follow.

    Arithmetic for an input, of F channels, O outputs and windows of W values at VP positions:
    2 F O W VP for the contributions, and 2 (F + 1) VP for each pair of a mask and an output channel that it keeps.

    Attributes:
        row_K_O: where the outputs of mask k for channel o stand in the table; pairs that the mask drops have no row and
            stand at `empty`, the row of zeros at its end.
    """

    def __init__(self, run: Run, masks_K_F: Tensor, masks_K_O: Tensor, batch: int) -> None:
        order_O = (masks_K_O != 0).sum(dim=0).argsort(descending=True, stable=True)  # like sizes into one batch
        self._relu = run.relu
        self.row_K_O = torch.full_like(masks_K_O, -1, dtype=torch.int64)
        self.empty = 0
        masks_K_F1 = torch.cat([masks_K_F, torch.ones_like(masks_K_F[:, :1])], dim=1)
        self._blocks = [
            self._block(run, channels_O, masks_K_F1, masks_K_O, batch)
            for channels_O in torch.split(order_O, _GROUPS_IN_BLOCK * batch)
        ]
        self.row_K_O[masks_K_O == 0] = self.empty

    def _block(self, run: Run, channels_O: Tensor, masks_K_F1: Tensor, masks_K_O: Tensor, batch: int) -> _Block:
        layer = run.layer
        weights_F_O_W = weights_by_channel(layer, masks_K_F1.shape[1] - 1)[:, channels_O].contiguous()
        bias_O = layer.weight.new_zeros(len(channels_O)) if layer.bias is None else layer.bias[channels_O]
        groups: list[_Group] = []
        for channels_G in torch.split(channels_O, batch):
            first = len(groups) * batch
            kept_by_G_R, _ = kept_first(masks_K_O.T[channels_G])
            rows = slice(self.empty, self.empty + kept_by_G_R.numel())
            self.empty = rows.stop
            self.row_K_O[kept_by_G_R, channels_G.unsqueeze(1)] = torch.arange(
                rows.start, rows.stop, device=channels_G.device
            ).view_as(kept_by_G_R)
            groups.append(_Group(slice(first, first + len(channels_G)), rows, masks_K_F1[kept_by_G_R]))
        return _Block(weights_F_O_W, bias_O, groups)

    def values_per_input(self, windows: Windows) -> int:
        """How many numbers of its tables belong to one input."""
        channels, outputs, width = self._blocks[0].weights_F_O_W.shape
        largest = max(group.factors_G_R_F1.shape[:2].numel() for block in self._blocks for group in block.groups)
        unpooled = largest if windows.members > 1 else 0
        by_column = channels * width + (channels + 1) * outputs + unpooled
        return windows.members * windows.positions * by_column + windows.positions * (self.empty + 1)

    def outputs(self, shared: Tensor, windows: Windows, workspace: Workspace) -> Tensor:
        """outputs_R_Pn for shared inputs: the row of each mask and output channel, after pooling and ReLU."""
        values_F_W_VPn = windows.read(shared, workspace)
        table_R_Pn = workspace.table("outputs", self.empty + 1, windows.positions * len(shared))
        for block in self._blocks:
            channels, outputs, _ = block.weights_F_O_W.shape
            contributions_F1_O_VPn = workspace.table("contributions", channels + 1, outputs, values_F_W_VPn.shape[-1])
            torch.bmm(block.weights_F_O_W, values_F_W_VPn, out=contributions_F1_O_VPn[:channels])
            contributions_F1_O_VPn[channels] = block.bias_O.unsqueeze(1)
            for group in block.groups:
                self._combine(group, contributions_F1_O_VPn, table_R_Pn[group.rows], workspace)
        table_R_Pn[self.empty].zero_()
        return table_R_Pn

    def _combine(
        self, group: _Group, contributions_F1_O_VPn: Tensor, pooled_R_Pn: Tensor, workspace: Workspace
    ) -> None:
        contributions_G_F1_VPn = contributions_F1_O_VPn[:, group.channels].transpose(0, 1)
        shape = (*group.factors_G_R_F1.shape[:2], contributions_G_F1_VPn.shape[-1])
        if shape[-1] == pooled_R_Pn.shape[1]:
            torch.bmm(group.factors_G_R_F1, contributions_G_F1_VPn, out=pooled_R_Pn.view(shape))
        else:
            unpooled = workspace.table("unpooled", *shape)
            torch.bmm(group.factors_G_R_F1, contributions_G_F1_VPn, out=unpooled)
            torch.amax(unpooled.view(len(pooled_R_Pn), -1, pooled_R_Pn.shape[1]), dim=1, out=pooled_R_Pn)
        if self._relu:
            pooled_R_Pn.relu_()
