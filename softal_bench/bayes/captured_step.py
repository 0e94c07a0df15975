"""The training step recorded as a CUDA graph, which is replayed without starting each of its kernels from Python.

A step of the LeNet starts 57 kernels and does not wait for any of them, so on a GPU the launches are expected to limit
its speed. A recording removes them. This is a preparation: it is off unless the environment variable SOFTAL_CUDA_GRAPH
is 1, it has not run on a GPU yet, and its speed has not been measured.

Source: torch.cuda.graph; https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

import os
from collections.abc import Callable

import torch
from torch import Tensor, nn

from softal_bench.bayes.mc_dropout.masks import dropout_layers

Step = Callable[[Tensor, Tensor], Tensor]
_WARM_UP_STEPS = 3  # before a recording: libraries allocate their workspaces, and caches are filled


def captures(device: torch.device) -> bool:
    """Return whether steps on this device are recorded."""
    return device.type == "cuda" and os.environ.get("SOFTAL_CUDA_GRAPH") == "1"


class CapturedStep:
    """A training step on buffers that stay in place, so that it can be recorded.

    Each batch, and the training masks of the dropout layers, are copied into the buffers. The first steps, and batches
    of a different size from the first one, run as usual. Steps are recorded again if the learning rate changes, since a
    recording contains its value. Every call computes one training step; recording itself computes nothing.

    Args:
        step: computes a step on (inputs_b, labels_b), and returns its loss.
        network: the network whose dropout layers hold the masks.
        optimiser: a `capturable` optimiser whose gradients stay in place.
    """

    def __init__(self, step: Step, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        self._step = step
        self._layers = dropout_layers(network)
        self._optimiser = optimiser
        self._buffers: list[Tensor] = []
        self._replay: Callable[[], Tensor] | None = None
        self._rates: list[float] = []  # the learning rates in the recording
        self._steps = 0  # since the buffers were made

    def __call__(self, inputs_b: Tensor, labels_b: Tensor) -> Tensor:
        """Compute the step and return its loss, which the next step overwrites."""
        masked = [layer for layer in self._layers if layer.kept_n_F is not None]
        given = [inputs_b, labels_b, *(layer.kept_n_F for layer in masked if layer.kept_n_F is not None)]
        if not self._buffers:
            self._buffers = [tensor.clone() for tensor in given]
        if [tensor.shape for tensor in given] != [buffer.shape for buffer in self._buffers]:
            return self._step(inputs_b, labels_b)
        for buffer, tensor in zip(self._buffers, given, strict=True):
            buffer.copy_(tensor)
        for layer, buffer in zip(masked, self._buffers[2:], strict=True):
            layer.kept_n_F = buffer
        self._steps += 1
        if self._steps <= _WARM_UP_STEPS:
            return self.warm_up()
        rates = [group["lr"] for group in self._optimiser.param_groups]
        if self._replay is None or rates != self._rates:
            self._replay, self._rates = self.record(), rates
        return self._replay()

    def step_on_buffers(self) -> Tensor:
        """Compute the step on the batch in the buffers."""
        inputs_b, labels_b, *_ = self._buffers
        return self._step(inputs_b, labels_b)

    def warm_up(self) -> Tensor:
        """Compute the step on a separate stream, as a recording does."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            loss = self.step_on_buffers()
        torch.cuda.current_stream().wait_stream(stream)
        return loss

    def record(self) -> Callable[[], Tensor]:
        """Record the step without computing it. Return a function that computes it on the batch in the buffers."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.step_on_buffers()

        def replay() -> Tensor:
            graph.replay()
            return loss

        return replay
