"""A step on buffers that stay in place trains exactly as the usual step does; the actual recording needs a GPU."""

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import needs_cuda
from softal_plugins.models.lenet5 import LeNet5
from torch import Tensor

from softal_bench.bayes import training
from softal_bench.bayes.captured_step import CapturedStep, captures
from softal_bench.bayes.training import fit_mc_dropout
from softal_bench.contracts import Examples, TrainingRegime

REGIME = TrainingRegime(batch_size=16, epoch_draws=120, max_epochs=8, patience=[1, 1, 8], learning_rate=0.01)


class Unrecorded(CapturedStep):
    """Computes the step on the buffers at each replay, as a recording does on a GPU."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.places: set[tuple[int, ...]] = set()
        self.rates: list[float] = []  # at each recording
        self.replayed = self.warmed_up = 0

    def warm_up(self) -> Tensor:
        self.warmed_up += 1
        return self.step_on_buffers()

    def record(self) -> Callable[[], Tensor]:
        self.rates += [group["lr"] for group in self._optimiser.param_groups]

        def replay() -> Tensor:
            self.replayed += 1
            kept = [layer.kept_n_F for layer in self._layers]
            self.places.add(tuple(tensor.data_ptr() for tensor in [*self._buffers, *kept] if tensor is not None))
            return self.step_on_buffers()

        return replay


def examples(size: int) -> Examples:
    """Return labels that cannot be learned, so that the learning rate soon decays."""
    generator = torch.Generator().manual_seed(size)
    labels = torch.randint(3, (size,), generator=generator)
    return Examples(torch.randn(size, 1, 28, 28, generator=generator), labels, 3)


def weights(device: torch.device) -> dict[str, Tensor]:
    """Return the weights of a LeNet trained from scratch, with a smaller last batch and a decaying learning rate."""
    generator = torch.Generator().manual_seed(0)
    fitted = fit_mc_dropout(lambda: LeNet5().network(3), examples(40), examples(30), REGIME, device, generator)
    assert fitted.epochs == REGIME.max_epochs
    return {name: tensor.cpu() for name, tensor in fitted.network.state_dict().items()}


def test_steps_on_buffers_give_the_same_weights_as_usual_steps(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    usual = weights(device)
    made: list[Unrecorded] = []

    def unrecorded(*arguments: Any) -> Unrecorded:
        made.append(Unrecorded(*arguments))
        return made[-1]

    monkeypatch.setattr(training, "captures", lambda device: True)  # Adam is then capturable, too
    monkeypatch.setattr(training, "CapturedStep", unrecorded)
    assert_equal(weights(device), usual)
    (step,) = made
    full, rest = divmod(REGIME.epoch_draws, REGIME.batch_size)
    assert rest, "the last batch of an epoch has another size"
    assert step.warmed_up == 3
    assert step.replayed == full * REGIME.max_epochs - 3
    assert len(set(step.rates)) == len(step.rates) > 1, "recorded once for each learning rate"
    assert len(step.places) == 1, "inputs, labels and masks stay in place"


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def test_steps_are_recorded_only_on_request_and_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 0)
    monkeypatch.delenv("SOFTAL_CUDA_GRAPH", raising=False)
    assert not captures(gpu)
    monkeypatch.setenv("SOFTAL_CUDA_GRAPH", "1")
    assert captures(gpu)
    assert not captures(cpu)


@pytest.mark.cuda
@needs_cuda
@pytest.mark.skipif("PRETEND_CUDA_BUILT" in os.environ, reason="a pretend device records no graphs")
def test_recorded_steps_give_the_same_weights_as_usual_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda", 0)
    usual = weights(device)
    monkeypatch.setenv("SOFTAL_CUDA_GRAPH", "1")
    assert_equal(weights(device), usual)
