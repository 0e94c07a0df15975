"""The inputs of a layer as a table from which a matrix product gives all its outputs."""

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.mc_dropout.memory import Workspace
from softal_bench.bayes.mc_dropout.structure import Run, Weighted

_Pair = tuple[int, int]


def weights_by_channel(layer: Weighted, channels: int) -> Tensor:
    """weights_F_O_W: for each input channel and output the W weights that meet the channel's values in a window."""
    return layer.weight.flatten(1).view(len(layer.weight), channels, -1).transpose(0, 1)


def tiling_pool(run: Run) -> _Pair | None:
    """The window of the max-pooling after a layer, (1, 1) without any; None where windows overlap or leave gaps."""
    if not run.pools:
        return 1, 1
    pool = run.pools[0]
    window, stride, padding, dilation = (
        _pair(value) for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    tiles = window == stride and padding == (0, 0) and dilation == (1, 1)
    return window if tiles and not pool.ceil_mode and len(run.pools) == 1 else None


@dataclass(frozen=True)
class Windows:
    """Where a layer's inputs lie for each of its outputs.

    A linear layer over F flattened channels has one window of all values of a channel. A convolution has one for each
    position; with max-pooling after it, positions are ordered by their place in the pooling window first, so that
    pooling is the maximum of `members` blocks of `positions`.

    Attributes:
        width: W, values of a channel in a window.
        members, positions: V and P.
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
        """values_F_W_VPn of shared inputs [n, F, h, w] or [n, F * W]: inputs innermost, for long contiguous rows."""
        count = len(shared)
        if any(self.padding):
            rows, columns = self.padding
            shared = functional.pad(shared, (columns, columns, rows, rows))
        values = workspace.table("values", *shared.shape[1:], count)
        values.copy_(shared.movedim(0, -1))
        windows = values.as_strided((*self.shape, count), (*(step * count for step in self.steps), 1))
        table = workspace.table("windows", *self.shape, count)
        return table.copy_(windows).view(self.channels, self.width, -1)


def _pair(value: int | _Pair) -> _Pair:
    return value if isinstance(value, tuple) else (value, value)
