"""Convolutions through the Fourier transform compared with PyTorch's own and autograd."""

import pytest
import torch
from softal_plugins.models.digits_cnn import DigitsCNN
from softal_plugins.models.lenet5 import LeNet5
from torch import nn

from softal_bench.bayes.fourier_convolution import bilinear, convolution, is_cheaper, is_covered, training_log_probs

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [3, 4, 5, 8, 11, 12])
@pytest.mark.parametrize("kernel", [2, 3])
def test_each_output_in_one_dimension_is_the_sum_over_the_kernel(size: int, kernel: int) -> None:
    one = bilinear(size, kernel, 0, torch.float64, CPU)
    x, w = torch.randn(size, dtype=torch.float64), torch.randn(kernel, dtype=torch.float64)
    expected = torch.stack([(x[o : o + kernel] * w).sum() for o in range(size - kernel + 1)])
    assert torch.allclose(one.outputs_m_O.T @ ((one.inputs_m_L @ x) * (one.kernel_m_K @ w)), expected, atol=1e-13)


def test_twelve_inputs_and_a_kernel_of_five_take_sixteen_products() -> None:
    assert len(bilinear(12, 5, 0, torch.float64, CPU).inputs_m_L) == 16


@pytest.mark.parametrize(
    ("size", "kernel", "padding"),
    [((12, 12), (5, 5), (0, 0)), ((7, 10), (3, 4), (0, 0)), ((6, 5), (3, 5), (2, 1)), ((4, 3), (4, 2), (0, 0))],
)
@pytest.mark.parametrize("bias", [False, True])
def test_outputs_and_gradients_match_the_direct_convolution(
    size: tuple[int, int], kernel: tuple[int, int], padding: tuple[int, int], bias: bool
) -> None:
    layer = nn.Conv2d(3, 4, kernel, padding=padding, bias=bias).double()
    inputs = torch.randn(6, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = layer(inputs)
    gradient = torch.randn_like(expected)
    variables = [inputs, *layer.parameters()]
    expected_gradients = torch.autograd.grad(expected, variables, gradient)

    assert is_covered(layer, inputs)
    ours = convolution(layer, inputs)
    assert torch.allclose(ours, expected, atol=1e-12)
    for found, wanted in zip(torch.autograd.grad(ours, variables, gradient), expected_gradients, strict=True):
        assert torch.allclose(found, wanted, atol=1e-12)


def test_only_the_required_gradients_are_computed() -> None:
    layer = nn.Conv2d(3, 4, 3)
    layer.weight.requires_grad_(False)
    convolution(layer, torch.randn(2, 3, 6, 6)).sum().backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is None
    assert layer.bias is not None
    assert layer.bias.grad is not None
    assert torch.allclose(layer.bias.grad, torch.full((4,), 32.0))


def test_a_network_gives_the_same_outputs_with_either_convolution() -> None:
    network = LeNet5().network(10).eval()
    inputs = torch.randn(64, 1, 28, 28)
    assert isinstance(network[4], nn.Conv2d)
    assert is_cheaper(network[4], torch.zeros(64, 32, 12, 12))
    assert torch.allclose(training_log_probs(network, inputs), network(inputs), atol=1e-5)


def test_float32_errors_are_at_most_twice_those_of_a_direct_convolution() -> None:
    layer, inputs = nn.Conv2d(32, 64, 5), torch.randn(16, 32, 12, 12)
    with torch.no_grad():
        exact = nn.functional.conv2d(inputs.double(), layer.weight.double(), layer.bias.double())  # type: ignore[union-attr]
        ours = (convolution(layer, inputs) - exact).abs().max()
        direct = (layer(inputs) - exact).abs().max()
    assert ours <= 2 * direct


def test_it_is_used_if_it_saves_much_arithmetic() -> None:
    lenet, digits = LeNet5().network(10), DigitsCNN().network(10)
    second, first, of_digits = lenet[4], lenet[0], digits[0]
    assert isinstance(second, nn.Conv2d)
    assert isinstance(first, nn.Conv2d)
    assert isinstance(of_digits, nn.Conv2d)
    assert is_cheaper(second, torch.zeros(64, 32, 12, 12))
    assert not is_cheaper(first, torch.zeros(64, 1, 28, 28))
    assert not is_cheaper(of_digits, torch.zeros(32, 1, 8, 8))
    assert not is_cheaper(nn.Conv2d(64, 64, 1), torch.zeros(4, 64, 8, 8))
    assert not is_cheaper(nn.Conv2d(32, 64, 5, stride=2), torch.zeros(4, 32, 12, 12))
    assert not is_cheaper(nn.Conv2d(32, 64, 5, dilation=2), torch.zeros(4, 32, 12, 12))
    assert not is_cheaper(nn.Conv2d(32, 64, 5, groups=2), torch.zeros(4, 32, 12, 12))
    assert not is_cheaper(nn.Conv2d(32, 64, 5, padding="same"), torch.zeros(4, 32, 12, 12))
    assert not is_cheaper(nn.Conv2d(32, 64, 5, padding=2, padding_mode="reflect"), torch.zeros(4, 32, 12, 12))
