"""Loss and gradients of sequential networks, layer by layer.

The mathematics is autograd's, by the same kernels of PyTorch, without its bookkeeping: elementwise layers work in
place, and gradients are written where the optimiser reads them. That saves a tenth of a training step of a LeNet.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.mc_dropout import MCDropout

_aten = torch.ops.aten

# From the gradient of a layer's outputs to that of its inputs, if it is wanted; the gradients of its parameters are
# written on the way. A layer may write on the tensor that it is given, except for convolutions and linear layers.
Backward = Callable[[Tensor, bool], Tensor]


def has_written_gradients(network: nn.Module) -> bool:
    """Whether `loss_and_gradients` covers the network.

    It is an `nn.Sequential` that starts with a convolution or linear layer and ends in log-softmax over classes, with
    convolutions padded by zeros, linear, max-pooling, ReLU, flatten and MCDropout layers between, none of them twice.
    """
    if not isinstance(network, nn.Sequential) or len(network) < 2 or len(set(network)) < len(network):
        return False
    *body, last = network
    starts = isinstance(body[0], (nn.Conv2d, nn.Linear))
    ends = type(last) is nn.LogSoftmax and last.dim in (1, -1)
    return starts and ends and all(type(layer) in _FORWARD and _is_plain(layer) for layer in body)


@torch.no_grad()
def loss_and_gradients(network: nn.Sequential, inputs_b: Tensor, labels_b: Tensor) -> Tensor:
    """The mean of -log p(labels | inputs) in nats, a scalar. Its gradients replace the values of each parameter's grad.

    Args:
        network: one that `has_written_gradients`, in training; each parameter has a tensor in its `grad`.
        inputs_b, labels_b: a batch on the network's device.
    """
    hidden = inputs_b
    backwards: list[Backward] = []
    for layer in network[:-1]:
        hidden, backward = _FORWARD[type(layer)](layer, hidden)
        backwards.append(backward)
    log_probs_b_C = hidden.log_softmax(dim=1)
    loss = functional.nll_loss(log_probs_b_C, labels_b)
    one_hot_b_C = functional.one_hot(labels_b, log_probs_b_C.shape[1])
    gradient = log_probs_b_C.exp_().sub_(one_hot_b_C).div_(len(labels_b))
    for backward in reversed(backwards[1:]):
        gradient = backward(gradient, True)
    backwards[0](gradient, False)
    return loss


def _convolution(layer: nn.Conv2d, inputs: Tensor) -> tuple[Tensor, Backward]:
    where = (layer.stride, layer.padding, layer.dilation)
    outputs = functional.conv2d(inputs, layer.weight, layer.bias, *where, layer.groups)  # type: ignore[arg-type]

    def backward(gradient: Tensor, wanted: bool) -> Tensor:
        biases = None if layer.bias is None else [len(layer.bias)]
        which = [wanted, True, layer.bias is not None]
        of_inputs, of_weight, of_bias = _aten.convolution_backward(
            gradient, inputs, layer.weight, biases, *where, False, [0, 0], layer.groups, which
        )
        _grad(layer.weight).copy_(of_weight)
        if layer.bias is not None:
            _grad(layer.bias).copy_(of_bias)
        return of_inputs  # type: ignore[no-any-return]

    return outputs, backward


def _linear(layer: nn.Linear, inputs: Tensor) -> tuple[Tensor, Backward]:
    def backward(gradient: Tensor, wanted: bool) -> Tensor:
        torch.mm(gradient.T, inputs, out=_grad(layer.weight))
        if layer.bias is not None:
            torch.sum(gradient, dim=0, out=_grad(layer.bias))
        return gradient @ layer.weight if wanted else gradient

    return functional.linear(inputs, layer.weight, layer.bias), backward


def _max_pool(layer: nn.MaxPool2d, inputs: Tensor) -> tuple[Tensor, Backward]:
    windows = [_pair(layer.kernel_size), _pair(layer.stride), _pair(layer.padding), _pair(layer.dilation)]
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
    """Whether a layer's options are those that are written out here."""
    if isinstance(layer, nn.Conv2d):
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if isinstance(layer, nn.MaxPool2d):
        return not layer.return_indices
    return not isinstance(layer, nn.Flatten) or (layer.start_dim, layer.end_dim) == (1, -1)


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _grad(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
