"""A scaled-down LeNet round as a program of two threads, which `test_contention` times next to other such programs.

`python lenet_round.py time` does a round for each line of standard input and prints its seconds; with `compute` it
does one round after another without end.
"""

import os
import sys
import time
from collections.abc import Callable

from softal_bench.machine.spinning import bound_spinning

if "--default-spinning" not in sys.argv:
    bound_spinning()  # as in the command, before torch is imported

import torch
from softal_plugins.models.lenet5 import LeNet5

from softal_bench.bayes.mc_dropout import FittedMCDropout
from softal_bench.bayes.training import make_optimiser, training_step
from softal_bench.contracts import TrainingRegime

THREADS = 2
STEPS, IMAGES, CHUNK, SAMPLES = 60, 1000, 500, 20


def lenet_round() -> Callable[[], None]:
    """Return a function that does training steps of batch 64 and a prediction of some images under K = 20 masks."""
    generator = torch.Generator().manual_seed(0)
    network = LeNet5().network(10).to(memory_format=torch.channels_last)
    optimiser = make_optimiser(network, TrainingRegime(learning_rate=1e-6))
    inputs_b = torch.randn(64, 1, 28, 28, generator=generator)
    labels_b = torch.randint(10, (64,), generator=generator)
    pool = torch.randn(IMAGES, 1, 28, 28, generator=generator)

    def work() -> None:
        network.train()
        for _ in range(STEPS):
            training_step(network, optimiser, inputs_b, labels_b)
        posterior = FittedMCDropout(network.eval()).posterior(SAMPLES, torch.Generator().manual_seed(0))
        for inputs_n in torch.split(pool, CHUNK):
            posterior.log_probs(inputs_n)

    return work


def main() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])  # on more cores, the programs would not compete
    torch.set_num_threads(THREADS)
    work = lenet_round()
    work()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while sys.argv[1] == "compute":
        work()
    for _ in sys.stdin:
        start = time.perf_counter()
        work()
        sys.stdout.write(f"{time.perf_counter() - start}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
