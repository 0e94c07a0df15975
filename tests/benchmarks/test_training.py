"""The gate for a training step of the LeNet at batch 64."""

import torch
from softal_plugins.models.lenet5 import LeNet5

from benchmarks.controls import drawn, matrix_product, seeded
from softal_bench.bayes.training import make_optimiser, training_step
from softal_bench.conformance.timing import AgainstControl
from softal_bench.contracts import TrainingRegime


def test_training_step(against_control: AgainstControl) -> None:
    network = LeNet5().network(10).to(memory_format=torch.channels_last).train()
    optimiser = make_optimiser(network, TrainingRegime(learning_rate=1e-6))
    inputs_b, labels_b = drawn(64, 1, 28, 28), torch.randint(10, (64,), generator=seeded())
    against_control(lambda: training_step(network, optimiser, inputs_b, labels_b), matrix_product(1024, 1024, 1024))
