"""MC-dropout prediction: K consistent masks of a trained LeNet against batchbald_redux's, which replicates inputs."""

import statistics
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from softal_bench.bayes.mc_dropout import FittedMCDropout, Masks, draw_masks, flops_per_input, log_probs_plain
from softal_bench_peers.compare.records import Comparison

from .machine import environment_of, matrix_product_seconds
from .networks import ReplicatedNetwork
from .pairs import time_pairs, timed
from .settings import Settings
from .trained import chunks, task, trained

TOLERANCE = 1e-5  # of the largest logit
_CHUNK_SIZES = {"cpu": (1, 2, 4, 8, 16, 32, 64), "cuda": (8, 32, 128, 512)}
_METHOD = (
    "Log-probs of test images under K masks of a LeNet trained on 60 labels of RepeatedMNIST, by its usual form in "
    "batchbald_redux (every layer on K copies of each input) with equal weights and equal masks, at the fastest of "
    "several sizes of its input chunks. Same answer: no log-prob differs by more than 1e-5 of the largest logit. "
    "Drawing masks, and what each side makes of them before the first input, is outside the timers."
)


def compare(settings: Settings) -> Iterator[Comparison]:
    """At K = 20 and K = 100, in float32."""
    for num_samples, points in ((20, settings.size(1024, 64)), (100, settings.size(512, 16))):
        yield _compare(settings, num_samples, task(settings).test.inputs[:points])


def _compare(settings: Settings, num_samples: int, inputs: Tensor) -> Comparison:
    network, seed = trained(settings).network, 1
    masks = draw_masks(network, num_samples, torch.Generator().manual_seed(seed))
    build_seconds, posterior = timed(
        lambda: FittedMCDropout(network).posterior(num_samples, torch.Generator().manual_seed(seed)), settings.device
    )
    replicated = ReplicatedNetwork(network, masks)
    tried = seconds_by_chunk_size(settings, replicated, inputs)
    best = min(tried, key=lambda size: tried[size])
    rates = matrix_product_seconds(settings)
    pairs = time_pairs(
        lambda: replicated.log_probs(inputs, best),
        lambda: torch.cat([posterior.log_probs(inputs_n) for inputs_n in chunks(inputs)]),
        settings.repetitions,
        settings.device,
    )
    rate = 2 * 2048**3 / statistics.median([*rates, *matrix_product_seconds(settings)])
    flops = flops_per_input(posterior, inputs)
    our_seconds = statistics.median(pairs.our_seconds) / len(inputs)
    difference = (pairs.peer_answers[-1] - pairs.our_answers[-1]).abs().max().item()
    largest = largest_logit(network, masks, inputs[:64])
    return Comparison(
        work="prediction",
        setting=f"LeNet, 28x28, K = {num_samples}, {len(inputs)} images, float32",
        peer="batchbald_redux",
        peer_seconds=pairs.peer_seconds,
        our_seconds=pairs.our_seconds,
        same_answer=difference <= TOLERANCE * largest,
        method=_METHOD,
        details={
            "Largest difference of log-probs": difference,
            "Largest logit": largest,
            "Peer, ms an image by input chunk": ", ".join(f"{size}: {1e3 * tried[size]:.3g}" for size in tried),
            "Ours, ms an image": 1e3 * our_seconds,
            "Ours, MFLOP an image": flops / 1e6,
            "Making ours ready, ms": 1e3 * build_seconds,
            "Matrix product in this run, GFLOP/s": rate / 1e9,
            "Share of that rate, %": 100 * flops / our_seconds / rate,
        },
        environment=environment_of(settings),
    )


def fastest_chunk_size(settings: Settings, replicated: ReplicatedNetwork, inputs: Tensor) -> int:
    """The size of input chunks at which batchbald_redux's module is fastest."""
    tried = seconds_by_chunk_size(settings, replicated, inputs)
    return min(tried, key=lambda size: tried[size])


def seconds_by_chunk_size(settings: Settings, replicated: ReplicatedNetwork, inputs: Tensor) -> dict[int, float]:
    """Chunk size -> seconds an image: the better of two tries on two chunks at least."""
    tried = {}
    for size in _CHUNK_SIZES[settings.device.type]:
        some = inputs[: max(2 * size, 16)]
        if len(some) < size:
            break
        seconds = [timed(lambda: replicated.log_probs(some, size), settings.device)[0] for _ in range(2)]  # noqa: B023
        tried[size] = min(seconds) / len(some)
    return tried


def largest_logit(network: nn.Sequential, masks: Masks, inputs: Tensor) -> float:
    """The largest magnitude of a logit of the network under the masks; the network ends in log-softmax."""
    return log_probs_plain(network[:-1], masks, inputs).abs().max().item()
