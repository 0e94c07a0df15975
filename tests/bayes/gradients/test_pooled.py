"""The first convolution and its max-pooling in one step, against the two layers and autograd."""

import pytest
import torch
from softal_plugins.models.digits_cnn import DigitsCNN
from softal_plugins.models.lenet5 import LeNet5
from torch import Tensor, nn

from softal_bench.bayes.gradients.pooled import PooledConvolution, is_cheaper, is_covered


@pytest.mark.parametrize(
    ("size", "kernel", "window"),
    [((28, 28), (5, 5), 2), ((9, 8), (3, 3), 2), ((10, 11), (2, 4), (3, 1)), ((5, 4), (1, 3), (2, 2))],
)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_outputs_and_gradients_are_those_of_the_two_layers(
    size: tuple[int, int], kernel: tuple[int, int], window: int | tuple[int, int], ties: bool, bias: bool
) -> None:
    convolution, pooling = nn.Conv2d(2, 3, kernel, bias=bias).double(), nn.MaxPool2d(window)
    inputs = torch.randn(5, 2, *size, dtype=torch.float64)
    if ties:
        inputs[:, :, 1:] = 0.5  # equal outputs in most windows: the first has to win
    expected = pooling(convolution(inputs))
    gradient = torch.randn_like(expected)
    expected.backward(gradient)
    gradients = [grad_of(parameter).clone() for parameter in convolution.parameters()]
    for parameter in convolution.parameters():
        grad_of(parameter).fill_(torch.nan)

    assert is_covered(convolution, pooling, inputs)
    with torch.no_grad():
        ours = PooledConvolution(convolution, pooling, inputs)
        assert torch.allclose(ours.outputs(), expected, atol=1e-12)
        ours.backward(gradient, False)

    for parameter, of_parameter in zip(convolution.parameters(), gradients, strict=True):
        assert torch.allclose(grad_of(parameter), of_parameter, atol=1e-12)


def test_it_is_taken_where_outputs_leave_the_cache_and_patches_are_small() -> None:
    lenet, digits = list(LeNet5().network(10)), list(DigitsCNN().network(10))
    images = torch.zeros(64, 1, 28, 28)
    assert is_cheaper(lenet, images)
    assert not is_cheaper(lenet, images[:8])
    assert not is_cheaper(digits, torch.zeros(32, 1, 8, 8))
    assert not is_cheaper(lenet[4:], torch.zeros(64, 32, 12, 12))
    assert not is_cheaper([nn.Linear(4, 4), nn.MaxPool2d(2)], images)
    assert not is_cheaper([nn.Conv2d(1, 32, 5)], images)


@pytest.mark.parametrize(
    ("convolution", "pooling"),
    [
        (nn.Conv2d(1, 32, 5, stride=2), nn.MaxPool2d(2)),
        (nn.Conv2d(1, 32, 5, padding=1), nn.MaxPool2d(2)),
        (nn.Conv2d(1, 32, 5, dilation=2), nn.MaxPool2d(2)),
        (nn.Conv2d(1, 32, 5), nn.MaxPool2d(3, stride=2)),
        (nn.Conv2d(1, 32, 5), nn.MaxPool2d(2, padding=1)),
        (nn.Conv2d(1, 32, 5), nn.MaxPool2d(2, ceil_mode=True)),
        (nn.Conv2d(1, 32, 27), nn.MaxPool2d(3)),
    ],
)
def test_other_layers_are_left_alone(convolution: nn.Conv2d, pooling: nn.MaxPool2d) -> None:
    assert not is_cheaper([convolution, pooling], torch.zeros(64, 1, 28, 28))


def grad_of(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
