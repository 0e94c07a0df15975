"""Convolutions with large kernels and many channels, computed with fewer products by a Fourier transform of the inputs.

Along one dimension, the outputs y_o = sum_k x_(o + k) w_k of L inputs and a kernel of size K are

    y = outputs^T [(inputs x) * (kernel w)]

where the three matrices do not depend on the data and * multiplies elementwise. This is a bilinear algorithm with as
many products as the matrices have rows. Here they are a discrete Fourier transform over an even number P of the inputs,
with three real products for each complex product (Gauss), and one separate product for each input that is left over at
either end: 16 products for L = 12 and K = 5, instead of 40. In two dimensions the algorithm is applied along both, and
each product becomes a matrix product over channels. Sines and cosines are at most 1, so the rounding error is that of a
direct convolution; Winograd's algorithms, which need fewer products, lose digits.

Source: Winograd 1980, "Arithmetic Complexity of Computations"; for layers: Mathieu et al. 2014, arXiv:1312.5851.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

_LEAST_SAVING = 2.0  # copies, and matrix products with few rows, cost more than a smaller saving


@dataclass(frozen=True)
class Bilinear:
    """The algorithm along one dimension: y = outputs^T [(inputs x) * (kernel w)], with m products.

    Attributes:
        inputs_m_L: the matrix for the inputs without their padding.
        kernel_m_K: the matrix for the kernel.
        outputs_m_O: the matrix for the outputs.
    """

    inputs_m_L: Tensor
    kernel_m_K: Tensor
    outputs_m_O: Tensor


@cache
def bilinear(size: int, kernel: int, padding: int, dtype: torch.dtype, device: torch.device) -> Bilinear:
    """Return the algorithm for `size` inputs with `padding` zeros at either end, and a kernel that is not longer."""
    length = size + 2 * padding
    outputs = length - kernel + 1
    period = (length - 1) // 2 * 2
    places = torch.arange(length, dtype=torch.float64)
    first = length - 1 - period  # 0 or 1 input before the transformed inputs; there is always one after them
    transformed = (places >= first) & (places < first + period)
    rows = [
        (x * transformed, w, y)
        for frequency in range(period // 2 + 1)
        for x, w, y in _frequency(frequency, period, places, places[:kernel], places[:outputs])
    ]
    rows += [_end(length, kernel, outputs, period, last) for last in ((False, True) if first else (True,))]
    of_inputs, of_kernel, of_outputs = (
        torch.stack(matrix).to(dtype=dtype, device=device) for matrix in zip(*rows, strict=True)
    )
    return Bilinear(of_inputs[:, padding : padding + size].contiguous(), of_kernel, of_outputs)


def training_log_probs(network: nn.Module, inputs_b: Tensor) -> Tensor:
    """Return the network's outputs, computing each convolution of an `nn.Sequential` in the cheaper form.

    The result equals `network(inputs_b)` up to rounding, and supports autograd. On two cores it makes a training step
    of the LeNet 1.4 to 1.6 times as fast.
    """
    if type(network) is not nn.Sequential:
        return network(inputs_b)  # type: ignore[no-any-return]
    hidden = inputs_b
    for layer in network:
        cheaper = type(layer) is nn.Conv2d and is_cheaper(layer, hidden)
        hidden = convolution(layer, hidden) if cheaper else layer(hidden)  # type: ignore[arg-type]
    return hidden


def is_cheaper(layer: nn.Conv2d, inputs: Tensor) -> bool:
    """Return whether the layer is covered and saves much arithmetic; only on the CPU, where it was measured.

    Compares the multiplications for one input: those of the direct convolution with those of products and transforms.
    """
    if inputs.device.type != "cpu" or not is_covered(layer, inputs):
        return False
    rows, columns = algorithms(layer, inputs)
    channels = layer.in_channels * layer.out_channels
    places = rows.outputs_m_O.shape[1] * columns.outputs_m_O.shape[1]
    direct = places * layer.weight[0, 0].numel() * channels
    products = len(rows.inputs_m_L) * len(columns.inputs_m_L) * channels
    transforms = layer.in_channels * _work(rows.inputs_m_L, columns.inputs_m_L)
    transforms += layer.out_channels * _work(rows.outputs_m_O, columns.outputs_m_O)
    return direct >= _LEAST_SAVING * (products + transforms)


def is_covered(layer: nn.Conv2d, inputs: Tensor) -> bool:
    """Return whether the layer has stride 1, one group, zero padding, and kernel sizes from 2 to the padded inputs'."""
    plain = (layer.stride, layer.dilation, layer.groups, layer.padding_mode) == ((1, 1), (1, 1), 1, "zeros")
    if not plain or isinstance(layer.padding, str):
        return False
    lengths = [size + 2 * padding for size, padding in zip(inputs.shape[2:], layer.padding, strict=True)]
    return all(2 <= kernel <= length >= 3 for kernel, length in zip(layer.kernel_size, lengths, strict=True))


def algorithms(layer: nn.Conv2d, inputs: Tensor) -> tuple[Bilinear, Bilinear]:
    """Return the algorithms along rows and along columns of a layer's inputs."""
    assert not isinstance(layer.padding, str)
    sizes = zip(inputs.shape[2:], layer.kernel_size, layer.padding, strict=True)
    rows, columns = (bilinear(*size, inputs.dtype, inputs.device) for size in sizes)
    return rows, columns


def convolution(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    """Return outputs [n, o, h', w'] of a covered layer for inputs [n, c, h, w]; supports autograd.

    The result equals `torch.nn.functional.conv2d` up to rounding. Costs m m' products of n x c and c x o matrices, and
    two matrix products for each transform; m and m' are the numbers of products along rows and along columns.
    """
    outputs: Tensor = _FourierConvolution.apply(inputs, layer.weight, layer.bias, *algorithms(layer, inputs))
    return outputs


class _FourierConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, rows: Bilinear, columns: Bilinear
    ) -> Tensor:
        inputs_m_n_c = _transform(rows.inputs_m_L, columns.inputs_m_L, inputs.permute(2, 3, 0, 1))
        kernel_m_c_o = _transform(rows.kernel_m_K, columns.kernel_m_K, weight.permute(2, 3, 1, 0))
        ctx.rows, ctx.columns = rows, columns
        ctx.save_for_backward(inputs_m_n_c, kernel_m_c_o)
        products_m_n_o = torch.bmm(inputs_m_n_c, kernel_m_c_o)
        outputs = _back(rows.outputs_m_O, columns.outputs_m_O, products_m_n_o).permute(2, 3, 0, 1)
        into = torch.empty_like(outputs, memory_format=torch.channels_last)
        return into.copy_(outputs) if bias is None else torch.add(outputs, bias.view(-1, 1, 1), out=into)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, columns = ctx.rows, ctx.columns
        inputs_m_n_c, kernel_m_c_o = ctx.saved_tensors
        of_inputs = of_weight = of_bias = None
        gradient_m_n_o = _transform(rows.outputs_m_O, columns.outputs_m_O, gradient.permute(2, 3, 0, 1))
        if ctx.needs_input_grad[0]:
            of_inputs_m_n_c = torch.bmm(gradient_m_n_o, kernel_m_c_o.transpose(1, 2))
            of_inputs = _back(rows.inputs_m_L, columns.inputs_m_L, of_inputs_m_n_c).permute(2, 3, 0, 1)
            of_inputs = of_inputs.contiguous(memory_format=torch.channels_last)
        if ctx.needs_input_grad[1]:
            of_kernel_m_c_o = torch.bmm(inputs_m_n_c.transpose(1, 2), gradient_m_n_o)
            of_weight = _back(rows.kernel_m_K, columns.kernel_m_K, of_kernel_m_c_o).permute(3, 2, 0, 1)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=(0, 2, 3))
        return of_inputs, of_weight, of_bias, None, None


def _transform(rows_m_L: Tensor, columns_m_L: Tensor, values: Tensor) -> Tensor:
    """Transform [height, width, a, b] to [m m', a, b] by one matrix along each of the first two dimensions."""
    height, width, *rest = values.shape
    halfway = (rows_m_L @ values.reshape(height, -1)).view(len(rows_m_L), width, -1)
    return torch.matmul(columns_m_L, halfway).view(-1, *rest)


def _back(rows_m_L: Tensor, columns_m_L: Tensor, values_m_a_b: Tensor) -> Tensor:
    """Transform [m m', a, b] to [height, width, a, b] by the transposed matrices."""
    _, *rest = values_m_a_b.shape
    halfway = torch.matmul(columns_m_L.T, values_m_a_b.view(len(rows_m_L), len(columns_m_L), -1))
    return (rows_m_L.T @ halfway.view(len(rows_m_L), -1)).view(rows_m_L.shape[1], columns_m_L.shape[1], *rest)


def _work(rows_m_L: Tensor, columns_m_L: Tensor) -> int:
    """Return the number of multiplications of a transform; it is the same for the transposed transform."""
    return rows_m_L.numel() * columns_m_L.shape[1] + len(rows_m_L) * columns_m_L.numel()


def _frequency(
    frequency: int, period: int, inputs: Tensor, kernel: Tensor, outputs: Tensor
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return the products of one frequency: one product if the frequency is real, otherwise three.

    Let c and s be the cosine and sine sums of inputs x and kernel w. Then (c_x - i s_x)(c_w + i s_w) has the real part
    c_x c_w + s_x s_w and the imaginary part (c_x + s_x)(s_w - c_w) + c_x c_w - s_x s_w.
    """
    angle = 2 * math.pi * frequency / period
    (c_x, s_x), (c_w, s_w), (c_y, s_y) = (
        ((angle * places).cos(), (angle * places).sin()) for places in (inputs, kernel, outputs)
    )
    if frequency in (0, period // 2):
        return [(c_x, c_w, c_y / period)]
    return [
        (c_x, c_w, (c_y - s_y) * 2 / period),
        (s_x, s_w, (c_y + s_y) * 2 / period),
        (c_x + s_x, s_w - c_w, -s_y * 2 / period),
    ]


def _end(length: int, kernel: int, outputs: int, period: int, last: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return the product for the first (or last) input, minus the input that the periodic transform used instead."""
    of_inputs, of_kernel, of_outputs = (torch.zeros(size, dtype=torch.float64) for size in (length, kernel, outputs))
    here, taken = (length - 1, length - 1 - period) if last else (0, period)
    of_inputs[here], of_inputs[taken] = 1, -1
    of_kernel[-1 if last else 0] = of_outputs[-1 if last else 0] = 1
    return of_inputs, of_kernel, of_outputs
