"""Layers one by one: their outputs, and the gradients that PyTorch's own kernels compute."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.gradients import fourier
from softal_bench.bayes.gradients.sizes import grad_of, pair
from softal_bench.bayes.mc_dropout import MCDropout

_aten = torch.ops.aten

# From the gradient of a layer's outputs to that of its inputs, if it is wanted; the gradients of its parameters are
# written on the way. A layer may write on the tensor that it is given, except for convolutions and linear layers.
Backward = Callable[[Tensor, bool], Tensor]


def outputs_and_backward(layer: nn.Module, inputs: Tensor) -> tuple[Tensor, Backward]:
    """A layer's outputs in training, and the function that takes their gradient back. The layer `is_written`."""
    return _FORWARD[type(layer)](layer, inputs)


def is_written(layer: nn.Module) -> bool:
    """Whether a layer is written out here, with the options that it has."""
    return type(layer) in _FORWARD and _is_plain(layer)


def _convolution(layer: nn.Conv2d, inputs: Tensor) -> tuple[Tensor, Backward]:
    if fourier.is_cheaper(layer, inputs):
        convolution = fourier.FourierConvolution(layer, inputs)
        return convolution.outputs(), convolution.backward
    return _direct_convolution(layer, inputs)


def _direct_convolution(layer: nn.Conv2d, inputs: Tensor) -> tuple[Tensor, Backward]:
    where = (layer.stride, layer.padding, layer.dilation)
    outputs = functional.conv2d(inputs, layer.weight, layer.bias, *where, layer.groups)  # type: ignore[arg-type]

    def backward(gradient: Tensor, wanted: bool) -> Tensor:
        biases = None if layer.bias is None else [len(layer.bias)]
        which = [wanted, True, layer.bias is not None]
        of_inputs, of_weight, of_bias = _aten.convolution_backward(
            gradient, inputs, layer.weight, biases, *where, False, [0, 0], layer.groups, which
        )
        grad_of(layer.weight).copy_(of_weight)
        if layer.bias is not None:
            grad_of(layer.bias).copy_(of_bias)
        return of_inputs  # type: ignore[no-any-return]

    return outputs, backward


def _linear(layer: nn.Linear, inputs: Tensor) -> tuple[Tensor, Backward]:
    def backward(gradient: Tensor, wanted: bool) -> Tensor:
        torch.mm(gradient.T, inputs, out=grad_of(layer.weight))
        if layer.bias is not None:
            torch.sum(gradient, dim=0, out=grad_of(layer.bias))
        return gradient @ layer.weight if wanted else gradient

    return functional.linear(inputs, layer.weight, layer.bias), backward


def _max_pool(layer: nn.MaxPool2d, inputs: Tensor) -> tuple[Tensor, Backward]:
    windows = [pair(layer.kernel_size), pair(layer.stride), pair(layer.padding), pair(layer.dilation)]
    outputs, indices = _aten.max_pool2d_with_indices(inputs, *windows, layer.ceil_mode)

    def backward(gradient: Tensor, wanted: bool) -> Tensor:
        back: Tensor = _aten.max_pool2d_with_indices_backward(gradient, inputs, *windows, layer.ceil_mode, indices)
        return back

    return outputs, backward


def _relu(layer: nn.ReLU, inputs: Tensor) -> tuple[Tensor, Backward]:
    outputs = inputs.relu_()
    return outputs, lambda gradient, wanted: _aten.threshold_backward(gradient, outputs, 0)


def _dropout(layer: MCDropout, inputs: Tensor) -> tuple[Tensor, Backward]:
    """After a ReLU in place this writes on its outputs too; where that makes them 0, so it does their gradient."""
    mask = layer.training_mask(inputs)
    return inputs.mul_(mask), lambda gradient, wanted: gradient.mul_(mask)


def _flatten(layer: nn.Flatten, inputs: Tensor) -> tuple[Tensor, Backward]:
    return inputs.flatten(1), lambda gradient, wanted: torch.empty_like(inputs).copy_(gradient.view(inputs.shape))


_FORWARD: dict[type[nn.Module], Callable[[Any, Tensor], tuple[Tensor, Backward]]] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: _relu,
    MCDropout: _dropout,
    nn.Flatten: _flatten,
}


def _is_plain(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if isinstance(layer, nn.MaxPool2d):
        return not layer.return_indices
    return not isinstance(layer, nn.Flatten) or (layer.start_dim, layer.end_dim) == (1, -1)
