"""Steps of training the LeNet at batch 64: this suite's against the plain module under PyTorch's default Adam."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from unittest import mock

import torch
from softal_plugins.models.lenet5 import LeNet5
from torch import Tensor, nn
from torch.nn import functional

from softal_bench.bayes.mc_dropout import MCDropout
from softal_bench.bayes.training import make_optimiser, training_step
from softal_bench.contracts import Examples
from softal_bench.machine.stopwatch import synchronise
from softal_bench.seeding import seeded_global_rng
from softal_bench_peers.compare.records import Comparison

from .fresh import worker
from .machine import environment_of
from .networks import copy_weights, plain_network
from .pairs import Pairs, time_pairs
from .settings import Settings
from .trained import regime, task

Step = Callable[[Tensor, Tensor], Tensor]

_TOLERANCE = 1e-5
_METHOD = (
    "Gradient steps of the LeNet (dropout 0.5, batches of 64 of RepeatedMNIST's labelled points, on the device) in "
    "float32, against the plain module (convolution, channel dropout, max-pooling, ReLU; NCHW) with torch.optim.Adam "
    "as it comes, weight decay 5e-4. Batches are ready on both sides; a DataLoader would cost the plain module more. "
    "Each side has a process of its own, since how one sets its memory allocator would change the other; they take "
    "turns all the same. Same answer: from equal weights and with equal masks put into both, the first loss agrees "
    "within 1e-5 of itself; the largest difference over ten such steps in a row stands beside it."
)


def compare(settings: Settings) -> Iterator[Comparison]:
    """The one row."""
    steps = settings.size(40, 4)
    pairs = time_steps(settings, steps)
    differences = loss_differences(settings, labelled_batches(settings)[: settings.size(10, 3)])
    ours_ms, theirs_ms = (1e3 * statistics.median(one) / steps for one in (pairs.our_seconds, pairs.peer_seconds))
    yield Comparison(
        work="training step",
        setting=f"LeNet, batch 64, {steps} steps a sample, float32",
        peer="plain module, torch.optim.Adam",
        peer_seconds=pairs.peer_seconds,
        our_seconds=pairs.our_seconds,
        same_answer=differences[0] <= _TOLERANCE,
        method=_METHOD,
        details={
            "Peer, ms a step": theirs_ms,
            "Ours, ms a step": ours_ms,
            "Difference of the first loss, of itself": differences[0],
            "Largest in ten steps": max(differences),
        },
        environment=environment_of(settings),
    )


def time_steps(settings: Settings, steps: int) -> Pairs[None, None]:
    """Samples of so many steps of both, in turn, each in a process of its own."""
    with worker(settings.threads) as their_process, worker(settings.threads) as our_process:
        return time_pairs(
            lambda: their_process.submit(run_steps, plain_step, settings, steps).result(),
            lambda: our_process.submit(run_steps, our_step, settings, steps).result(),
            settings.repetitions,
            settings.device,
        )


def run_steps(make: Callable[[Settings], Step], settings: Settings, steps: int) -> None:
    """So many more steps of this process's network, over the batches in turn."""
    step, batches = _kept(make, settings)
    for number in range(steps):
        batch = batches[number % len(batches)]
        step(batch.inputs, batch.labels)
    synchronise(settings.device)


@cache
def _kept(make: Callable[[Settings], Step], settings: Settings) -> tuple[Step, list[Examples]]:
    return make(settings), labelled_batches(settings)


def our_step(settings: Settings) -> Step:
    """This suite's step, on a network of fresh weights that are the same each time."""
    network = fresh_network().to(settings.device).train()
    optimiser = make_optimiser(network, regime(settings))
    return lambda inputs_b, labels_b: training_step(network, optimiser, inputs_b, labels_b)


def plain_step(settings: Settings) -> Step:
    """A step as it is usually written, from the same weights."""
    network, training = plain_network(), regime(settings)
    copy_weights(fresh_network(), network)
    network.to(settings.device).train()
    adam = torch.optim.Adam(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)

    def step(inputs_b: Tensor, labels_b: Tensor) -> Tensor:
        adam.zero_grad()
        loss = functional.nll_loss(network(inputs_b), labels_b)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        return loss.detach()

    return step


def fresh_network() -> nn.Sequential:
    """A LeNet with the same initial weights each time."""
    with seeded_global_rng(torch.Generator().manual_seed(0), torch.device("cpu")):
        return LeNet5().network(10)


def loss_differences(settings: Settings, batches: list[Examples]) -> list[float]:
    """|difference of losses| / loss at each step of both, from equal weights and with equal masks put into both."""
    steps = plain_step(settings), our_step(settings)
    generator = torch.Generator().manual_seed(0)
    differences = []
    for batch in batches:
        masks = [
            (torch.rand(len(batch), layer.features, generator=generator) >= layer.p) / (1 - layer.p)
            for layer in fresh_network()
            if isinstance(layer, MCDropout)
        ]
        losses = []
        for step in steps:
            with forced_masks([mask.to(settings.device) for mask in masks]):
                losses.append(step(batch.inputs, batch.labels).item())
        differences.append(abs(losses[0] - losses[1]) / abs(losses[0]))
    return differences


@contextmanager
def forced_masks(masks: list[Tensor]) -> Iterator[None]:
    """Inside, PyTorch's dropout applies these masks_n_F, one a call, in place of its own draws.

    Raises:
        RuntimeError: at the end, if dropout was applied fewer times than there are masks.
    """
    left = list(masks)

    def dropout(inputs: Tensor, *_: object, **__: object) -> Tensor:
        mask_n_F = left.pop(0)
        return inputs * mask_n_F.reshape(*mask_n_F.shape, *[1] * (inputs.ndim - 2))

    with mock.patch.object(functional, "dropout", dropout), mock.patch.object(functional, "dropout2d", dropout):
        yield
    if left:
        raise RuntimeError(f"dropout was applied {len(masks) - len(left)} times; there are {len(masks)} masks")


def labelled_batches(settings: Settings) -> list[Examples]:
    """Ten batches of 64 of the labelled points."""
    labelled, generator = task(settings).labelled, torch.Generator().manual_seed(0)
    orders = [torch.randint(len(labelled), (64,), generator=generator) for _ in range(10)]
    return [labelled.at(order.to(settings.device)) for order in orders]
