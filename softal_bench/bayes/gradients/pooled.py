"""A network's first convolution and the max-pooling after it in one step, for inputs of few channels.

All outputs of the convolution that meet in one pooling window see one patch of the inputs, a little larger than the
kernel. So the convolution is a matrix product of patches for each place of a window, with the kernel moved to that
place and zeros around it, and pooling is the elementwise maximum of those products. In the gradient each place gets
what it won, and the same patches meet it in one more product: the gradient before pooling, as large as the
convolution's outputs and mostly zeros, is never written to memory.
"""

from functools import cache

import torch
from torch import Tensor, nn

from softal_bench.bayes.gradients.sizes import grad_of, has_unit_steps, pair

_MOST_PATCH_ENTRIES = 64  # patches take less memory than the convolution's outputs
_LEAST_OUTPUT_BYTES = 2**20  # smaller outputs stay in a core's cache, where there is little to save


def is_cheaper(layers: list[nn.Module], inputs: Tensor) -> bool:
    """Whether a network that starts with these layers should take the first two in one step."""
    if len(layers) < 2 or type(layers[0]) is not nn.Conv2d or type(layers[1]) is not nn.MaxPool2d:
        return False
    convolution, pooling = layers[0], layers[1]
    if inputs.device.type != "cpu" or not is_covered(convolution, pooling, inputs):
        return False
    (rows, down), (columns, across) = _sizes(convolution, pooling)
    height, width = inputs.shape[2:]
    patch_entries = convolution.in_channels * (rows + down - 1) * (columns + across - 1)
    outputs = len(inputs) * convolution.out_channels * (height - rows + 1) * (width - columns + 1)
    return patch_entries <= _MOST_PATCH_ENTRIES and outputs * inputs.element_size() >= _LEAST_OUTPUT_BYTES


def is_covered(convolution: nn.Conv2d, pooling: nn.MaxPool2d, inputs: Tensor) -> bool:
    """Whether the layers are of this form: unit stride without padding, then windows side by side, at least one."""
    unpadded = has_unit_steps(convolution) and pair(convolution.padding) == (0, 0)
    tiles = pair(pooling.stride) == pair(pooling.kernel_size)
    plain = (pair(pooling.padding), pair(pooling.dilation), pooling.ceil_mode) == ((0, 0), (1, 1), False)
    patches = [kernel + window - 1 for kernel, window in _sizes(convolution, pooling)]
    fits = all(size >= patch for size, patch in zip(inputs.shape[2:], patches, strict=True))
    return unpadded and tiles and plain and fits


class PooledConvolution:
    """max-pooling(convolution), [n, c, h, w] to [n, o, h', w'], and the gradients of weight and bias.

    The same function as the two layers to rounding; of equal outputs in a window the first wins, as it does there.
    In names of tensors p is a place of a window, r a window of an input, k an entry of a patch, o an output channel.

    Args:
        convolution, pooling: layers that are covered with these inputs.
        inputs: a batch; what is read of it is copied.
    """

    def __init__(self, convolution: nn.Conv2d, pooling: nn.MaxPool2d, inputs: Tensor) -> None:
        (rows, down), (columns, across) = _sizes(convolution, pooling)
        patches = inputs.unfold(2, rows + down - 1, down).unfold(3, columns + across - 1, across)
        n, _, height, width = patches.shape[:4]
        self._convolution = convolution
        self._shape = (n, height, width, convolution.out_channels)
        self._patches_k_r = patches.permute(4, 5, 1, 0, 2, 3).reshape(-1, n * height * width)
        self._moved_pk_e = _moved_kernels(rows, columns, down, across, inputs.dtype)

    def outputs(self) -> Tensor:
        """outputs [n, o, h', w'], channels last."""
        kernel = self._convolution.weight.detach().permute(2, 3, 1, 0)  # rows, columns, c, o
        moved_pk_co = self._moved_pk_e @ kernel.reshape(self._moved_pk_e.shape[1], -1)
        weight_p_k_o = moved_pk_co.view(-1, len(self._patches_k_r), self._shape[-1])
        self._values_p_r_o = torch.matmul(self._patches_k_r.T, weight_p_k_o)
        self._maxima_r_o = self._values_p_r_o.amax(dim=0)
        bias = self._convolution.bias
        outputs_r_o = self._maxima_r_o + (0 if bias is None else bias.detach())
        return outputs_r_o.view(self._shape).permute(0, 3, 1, 2)

    def backward(self, gradient: Tensor, wanted: bool) -> Tensor:
        """Write the gradients of weight and bias; that of the inputs, which are the network's, is not there to want."""
        assert not wanted
        weight, bias = self._convolution.weight, self._convolution.bias
        left_r_o = gradient.permute(0, 2, 3, 1).reshape(self._maxima_r_o.shape)
        if bias is not None:
            torch.sum(left_r_o, dim=0, out=grad_of(bias))
        of_weight_p_k_o = left_r_o.new_empty(len(self._values_p_r_o), len(self._patches_k_r), self._shape[-1])
        wins_r_o = torch.empty_like(left_r_o)
        for values_r_o, of_weight_k_o in zip(self._values_p_r_o[:-1], of_weight_p_k_o[:-1], strict=True):
            won_r_o = torch.eq(values_r_o, self._maxima_r_o, out=wins_r_o).mul_(left_r_o)
            torch.mm(self._patches_k_r, won_r_o, out=of_weight_k_o)
            left_r_o = left_r_o - won_r_o
        torch.mm(self._patches_k_r, left_r_o, out=of_weight_p_k_o[-1])  # the last place has won what is left
        of_kernel = self._moved_pk_e.T @ of_weight_p_k_o.view(len(self._moved_pk_e), -1)
        rows_columns_c_o = (*weight.shape[2:], *weight.shape[1::-1])
        grad_of(weight).copy_(of_kernel.view(rows_columns_c_o).permute(3, 2, 0, 1))
        return gradient


def _sizes(convolution: nn.Conv2d, pooling: nn.MaxPool2d) -> list[tuple[int, int]]:
    """(kernel, window) along rows and along columns."""
    return list(zip(pair(convolution.kernel_size), pair(pooling.kernel_size), strict=True))


@cache
def _moved_kernels(rows: int, columns: int, down: int, across: int, dtype: torch.dtype) -> Tensor:
    """moved_pk_e: 1 where entry e of a kernel lies on entry k of a patch, when it is moved to place p of a window."""
    moved = torch.zeros(down, across, rows + down - 1, columns + across - 1, rows, columns, dtype=dtype)
    for place_down in range(down):
        for place_across in range(across):
            for row in range(rows):
                for column in range(columns):
                    moved[place_down, place_across, place_down + row, place_across + column, row, column] = 1
    return moved.view(-1, rows * columns)
