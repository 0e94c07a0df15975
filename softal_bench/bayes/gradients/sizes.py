"""Small readings of layers that several of them need."""

from torch import Tensor, nn


def pair(value: int | str | tuple[int, ...]) -> tuple[int, int]:
    """A size along rows and along columns, from how PyTorch's layers hold it; paddings by name are not sizes."""
    assert not isinstance(value, str)
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def has_unit_steps(layer: nn.Conv2d) -> bool:
    """Whether a convolution has stride 1, dilation 1 and one group."""
    return (layer.stride, layer.dilation, layer.groups) == ((1, 1), (1, 1), 1)


def grad_of(parameter: Tensor) -> Tensor:
    """The tensor that a parameter's gradient is written to."""
    assert parameter.grad is not None
    return parameter.grad
