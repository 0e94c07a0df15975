"""The first layer after a mask, for all K masks from one pass over the inputs.

First comes the memory for the tables, then the windows of inputs that the layer reads, then the combination itself.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.mc_dropout.masks import kept_first
from softal_bench.bayes.mc_dropout.structure import Run, Weighted

_Pair = tuple[int, int]
_GROUPS_IN_BLOCK = 2  # contributions to 2 x 16 output channels are still in a near cache when they are combined


@dataclass(frozen=True)
class Budget:
    """How much an evaluation computes at once.

    Attributes:
        inputs: the number of inputs that go through the trunk.
        table_bytes: the size of all tables between the steps of an evaluation.
        batch: the number of matrix products of the same shape in one call.
    """

    inputs: int
    table_bytes: int
    batch: int


# The values for the CPU were measured with the LeNet: larger tables do not fit in the caches, and smaller tables make
# the products small. The values for CUDA were not measured: starting a kernel should take less time than running it.
_BUDGETS = {"cpu": Budget(64, 2**25, 16), "cuda": Budget(4096, 2**31, 64)}


def budget_of(device: torch.device) -> Budget:
    """Return the budget for a type of device; that of CUDA also serves other accelerators."""
    return _BUDGETS.get(device.type, _BUDGETS["cuda"])


def even_parts(tensor: Tensor, most: int) -> Iterator[Tensor]:
    """Split along dimension 0 into parts of at most `most`, whose sizes differ by at most one."""
    if len(tensor):
        yield from torch.tensor_split(tensor, math.ceil(len(tensor) / most))


class Workspace:
    """Tables that are overwritten for each part of the inputs; new memory for each part would cost page faults."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._tables: dict[str, Tensor] = {}

    def table(self, name: str, *shape: int) -> Tensor:
        """Return a contiguous table with arbitrary values, of the dtype and on the device of the workspace."""
        size = math.prod(shape)
        if name not in self._tables or len(self._tables[name]) < size:
            self._tables[name] = self._like.new_empty(size)
        return self._tables[name][:size].view(shape)


def tiling_pool(run: Run) -> _Pair | None:
    """Return the window of max-pooling after a layer: (1, 1) without pooling, None if windows overlap or leave gaps."""
    if not run.pools:
        return 1, 1
    pool = run.pools[0]
    window, stride, padding, dilation = (
        _pair(value) for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    tiles = window == stride and padding == (0, 0) and dilation == (1, 1)
    return window if tiles and not pool.ceil_mode and len(run.pools) == 1 else None


def _weights_by_channel(layer: Weighted, channels: int) -> Tensor:
    """Return weights_F_O_W: for each input channel and output, the W weights of the channel's values in a window."""
    return layer.weight.flatten(1).view(len(layer.weight), channels, -1).transpose(0, 1)


@dataclass(frozen=True)
class Windows:
    """The windows of inputs that the outputs of a layer read.

    A linear layer over F flattened channels has one window, with all values of each channel. A convolution has one
    window for each position. If max-pooling follows, positions are ordered by their place in the pooling window first,
    so that pooling is the maximum of V blocks of P positions.

    Attributes:
        channels: F.
        width: W, the number of values of a channel in a window.
        members: V, the number of positions in a pooling window; 1 without pooling.
        positions: P, the number of positions after pooling.
        shape, steps: sizes and strides of all windows as a view of the inputs, whose strides are for one input each.
        padding: rows and columns of zeros on each side.
    """

    channels: int
    width: int
    members: int
    positions: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]
    padding: _Pair

    @staticmethod
    def of_linear(channels: int, features: int) -> "Windows":
        width = features // channels
        return Windows(channels, width, 1, 1, (channels, width), (width, 1), (0, 0))

    @staticmethod
    def of_convolution(layer: nn.Conv2d, pool: _Pair, image: _Pair) -> "Windows":
        padding, kernel, stride, dilation = (
            cast(_Pair, value) for value in (layer.padding, layer.kernel_size, layer.stride, layer.dilation)
        )
        height, width = (size + 2 * pad for size, pad in zip(image, padding, strict=True))
        pooled = [
            ((size - spacing * (taps - 1) - 1) // step + 1) // window
            for size, spacing, taps, step, window in zip((height, width), dilation, kernel, stride, pool, strict=True)
        ]
        by_row = (dilation[0], stride[0], stride[0] * pool[0])
        by_column = (dilation[1], stride[1], stride[1] * pool[1])
        steps = [step for row, column in zip(by_row, by_column, strict=True) for step in (row * width, column)]
        return Windows(
            channels=layer.in_channels,
            width=kernel[0] * kernel[1],
            members=pool[0] * pool[1],
            positions=pooled[0] * pooled[1],
            shape=(layer.in_channels, *kernel, *pool, *pooled),
            steps=(height * width, *steps),
            padding=padding,
        )

    def read(self, shared: Tensor, workspace: Workspace) -> Tensor:
        """Return values_F_W_VPn of inputs [n, F, h, w] or [n, F * W]; inputs are innermost, for long rows."""
        count = len(shared)
        if any(self.padding):
            rows, columns = self.padding
            shared = functional.pad(shared, (columns, columns, rows, rows))
        values = workspace.table("values", *shared.shape[1:], count)
        values.copy_(shared.movedim(0, -1))
        windows = values.as_strided((*self.shape, count), (*(step * count for step in self.steps), 1))
        table = workspace.table("windows", *self.shape, count)
        return table.copy_(windows).view(self.channels, self.width, -1)


@dataclass(frozen=True)
class _ChannelGroup:
    """Output channels and, for each, the R masks that keep it, factors_G_R_F1; they write to `rows` of the table."""

    channels: slice
    rows: slice
    factors_G_R_F1: Tensor


@dataclass(frozen=True)
class _Block:
    """Output channels whose contributions are in memory together; groups count channels from the first of the block."""

    weights_F_O_W: Tensor
    bias_O: Tensor
    groups: list[_ChannelGroup]


class Combination:
    """The outputs of a linear layer or convolution under all K masks, after max-pooling and ReLU.

    A layer is linear, so its outputs under mask k are a combination of the contributions of its input channels:

        output_ko = bias_o + sum_f mask_kf contribution_fo,    contribution_fo = weights_fo * input_f.

    The contributions do not depend on k. They are computed once, with one matrix product for each input channel. The
    combination is one matrix product for each output channel, with a row for each mask that keeps the channel. The bias
    is one more contribution, which every mask keeps. Max-pooling over V members and ReLU follow.

    For one input with F channels, O outputs and windows of W values at VP positions, the contributions cost 2 F O W VP
    operations, and each pair of a mask and an output channel that it keeps costs 2 (F + 1) VP.

    Attributes:
        row_K_O: the row of the table with the outputs of mask k for channel o. Pairs that the mask drops share the row
            `empty`.
        empty: the last row of the table, which is zero.
    """

    def __init__(self, run: Run, masks_K_F: Tensor, masks_K_O: Tensor, batch: int) -> None:
        order_O = (
            (masks_K_O != 0).sum(dim=0).argsort(descending=True, stable=True)
        )  # channels that similar numbers of masks keep are in one batch
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
        weights_F_O_W = _weights_by_channel(layer, masks_K_F1.shape[1] - 1)[:, channels_O].contiguous()
        bias_O = layer.weight.new_zeros(len(channels_O)) if layer.bias is None else layer.bias[channels_O]
        groups: list[_ChannelGroup] = []
        for channels_G in torch.split(channels_O, batch):
            first = len(groups) * batch
            kept_by_G_R, _ = kept_first(masks_K_O.T[channels_G])
            rows = slice(self.empty, self.empty + kept_by_G_R.numel())
            self.empty = rows.stop
            self.row_K_O[kept_by_G_R, channels_G.unsqueeze(1)] = torch.arange(
                rows.start, rows.stop, device=channels_G.device
            ).view_as(kept_by_G_R)
            groups.append(_ChannelGroup(slice(first, first + len(channels_G)), rows, masks_K_F1[kept_by_G_R]))
        return _Block(weights_F_O_W, bias_O, groups)

    def values_per_input(self, windows: Windows) -> int:
        """Return how many numbers of the tables belong to one input."""
        channels, outputs, width = self._blocks[0].weights_F_O_W.shape
        largest = max(group.factors_G_R_F1.shape[:2].numel() for block in self._blocks for group in block.groups)
        unpooled = largest if windows.members > 1 else 0
        by_column = channels * width + (channels + 1) * outputs + unpooled
        return windows.members * windows.positions * by_column + windows.positions * (self.empty + 1)

    def outputs(self, shared: Tensor, windows: Windows, workspace: Workspace) -> Tensor:
        """Return outputs_R_Pn, with a row for each mask and output channel that it keeps, after pooling and ReLU."""
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
        self, group: _ChannelGroup, contributions_F1_O_VPn: Tensor, pooled_R_Pn: Tensor, workspace: Workspace
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


def _pair(value: int | _Pair) -> _Pair:
    return value if isinstance(value, tuple) else (value, value)
