"""Gradients written out layer by layer, against autograd's under the same masks."""

from collections.abc import Callable

import pytest
import torch
from softal_plugins.models.digits_cnn import DigitsCNN
from softal_plugins.models.lenet5 import LeNet5
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.gradients import CrossEntropy, Distillation, Loss, has_written_gradients, loss_and_gradients
from softal_bench.bayes.mc_dropout import MCDropout
from softal_bench.bayes.training import make_optimiser, training_step
from softal_bench.contracts import TrainingRegime

Build = Callable[[], nn.Sequential]


def with_options() -> nn.Sequential:
    """Groups, stride, dilation, padding, no bias; overlapping and padded pools; ReLU before pooling, and twice."""
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, stride=2, padding=1, groups=2, bias=False),
        MCDropout(8, 0.3),
        nn.ReLU(),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=1, padding=1),
        nn.Conv2d(8, 6, 3, dilation=2, padding=(2, 1)),
        nn.ReLU(),
        nn.MaxPool2d((2, 1), ceil_mode=True),
        MCDropout(6),
        nn.Flatten(),
        nn.ReLU(),
        nn.Linear(54, 5, bias=False),
        nn.LogSoftmax(dim=1),
    )


def features_only() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(7, 9), MCDropout(9), nn.ReLU(), MCDropout(9, 0.2), nn.Linear(9, 4), nn.LogSoftmax(dim=-1)
    )


COVERED = {
    "lenet5": (lambda: LeNet5().network(10), (1, 28, 28), torch.float32),  # pooled first, then through Fourier
    "digits_cnn": (lambda: DigitsCNN().network(10), (1, 8, 8), torch.float32),
    "options": (with_options, (2, 9, 9), torch.float64),
    "features only": (features_only, (7,), torch.float64),
}


def soft_targets(network: nn.Module, inputs: Tensor) -> Distillation:
    """Log-probs that are not normalised, as a geometric mean's are not."""
    with torch.no_grad():
        return Distillation(network(inputs) - 0.3 * torch.rand(len(inputs), 1).to(inputs))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "soft targets"])
@pytest.mark.parametrize(("build", "shape", "dtype"), COVERED.values(), ids=list(COVERED))
def test_loss_and_gradients_are_autograd_s(
    build: Build, shape: tuple[int, ...], dtype: torch.dtype, soft: bool, channels_last: bool, device: torch.device
) -> None:
    network = build().to(device, dtype).train()
    if channels_last:
        network.to(memory_format=torch.channels_last)
    inputs = torch.randn(20, *shape, dtype=dtype).to(device)
    labels = torch.randint(4, (20,)).to(device)
    kept = inputs.clone()
    loss: Loss = soft_targets(network, inputs) if soft else CrossEntropy(labels)
    torch.manual_seed(3)
    expected = loss.value(network(inputs))
    expected.backward()  # type: ignore[no-untyped-call]
    gradients = [grad_of(parameter).clone() for parameter in network.parameters()]
    for parameter in network.parameters():
        grad_of(parameter).fill_(torch.nan)  # what was there is replaced

    assert has_written_gradients(network)
    torch.manual_seed(3)
    value = loss_and_gradients(network, inputs, loss)

    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        assert (grad_of(parameter) - gradient).abs().max() <= 1e-5 * gradient.abs().max()
    assert torch.equal(inputs, kept)


def grad_of(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


linear = nn.Linear(4, 4)
NOT_COVERED = {
    "batch normalisation": nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.LogSoftmax(dim=-1)),
    "a layer in a layer": nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.LogSoftmax(dim=-1)),
    "dropout first": nn.Sequential(MCDropout(4), nn.Linear(4, 4), nn.LogSoftmax(dim=-1)),
    "a layer twice": nn.Sequential(linear, nn.ReLU(), linear, nn.LogSoftmax(dim=-1)),
    "padding by name": nn.Sequential(nn.Conv2d(1, 4, 3, padding="same"), nn.Flatten(), nn.LogSoftmax(dim=-1)),
    "circular padding": nn.Sequential(nn.Conv2d(1, 4, 3, padding_mode="circular"), nn.LogSoftmax(dim=1)),
    "another flatten": nn.Sequential(nn.Linear(4, 4), nn.Flatten(0), nn.LogSoftmax(dim=-1)),
    "logits": nn.Sequential(nn.Linear(4, 4), nn.ReLU()),
    "another ReLU": nn.Sequential(nn.Linear(4, 4), type("Leaky", (nn.ReLU,), {})(), nn.LogSoftmax(dim=-1)),
}


@pytest.mark.parametrize("network", NOT_COVERED.values(), ids=list(NOT_COVERED))
def test_other_networks_are_left_to_autograd(network: nn.Module) -> None:
    assert not has_written_gradients(network)


def test_a_step_of_a_network_that_is_left_to_autograd_is_adam_s() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3), nn.LogSoftmax(dim=-1))
    usual = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3), nn.LogSoftmax(dim=-1))
    usual.load_state_dict(network.state_dict())
    adam = torch.optim.Adam(usual.parameters(), lr=0.01, weight_decay=0.1)
    optimiser = make_optimiser(network, TrainingRegime(learning_rate=0.01, weight_decay=0.1))
    inputs, labels = torch.randn(16, 4), torch.randint(3, (16,))
    for _ in range(5):
        adam.zero_grad()
        functional.nll_loss(usual(inputs), labels).backward()  # type: ignore[no-untyped-call]
        adam.step()
        training_step(network, optimiser, inputs, labels)
    for ours, theirs in zip(network.parameters(), usual.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
