"""A whole round of acquisition on RepeatedMNIST, part by part, against the same regime written the usual way."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from batchbald_redux.batchbald import get_bald_batch
from softal_plugins.acquisitions.bald import BALD
from torch import Tensor

from softal_bench.bayes.mc_dropout import FittedMCDropout, draw_masks
from softal_bench.pools import TensorPool
from softal_bench.report.stats.numbers import significant, size
from softal_bench_peers.compare.records import Comparison, Value

from .machine import environment_of
from .networks import ReplicatedNetwork
from .pairs import Pairs, time_pairs
from .prediction import TOLERANCE, fastest_chunk_size, largest_logit
from .scoring import same_but_for_ties
from .settings import Settings
from .trained import chunks, regime, task, trained
from .training_step import time_steps

_B = 10
_METHOD = (
    "A round of Table 1's regime on RepeatedMNIST (twice MNIST, noise 0.1): train on 60 labels to early stopping "
    "(batch 64, 24 576 draws an epoch, 4096 validation points with 4 masks after each), test on 10 000 images with 4 "
    "masks, predict the pool under K masks, choose 10 points by BALD. The usual way: the plain module under PyTorch's "
    "default Adam, inputs replicated for each mask and scores by batchbald_redux. A sample of the round is the sum of "
    "one sample of each part, taken in turn by both sides: training steps and validation times the epochs that this "
    "suite's own run took to early stopping (the same on both sides), the test, slices of 2000 pool points and the "
    "choice among 10 000 of them, scaled to the pool of 115 844. Same answer: under equal weights and masks, no log- "
    "prob of validation, test and pool differs by more than 1e-5 of the largest logit, and the batches are the same "
    "but for ties."
)


@dataclass(frozen=True)
class Part:
    """A part of the round: samples of the seconds of all that the round does of it, and how the answers compare."""

    peer_seconds: list[float]
    our_seconds: list[float]
    difference: float = 0.0  # largest, of log-probs
    same: bool = True

    @classmethod
    def of(cls, pairs: Pairs[Any, Any], times: float, difference: float = 0.0, same: bool = True) -> "Part":
        """A part that the round does `times` times."""
        theirs = [times * seconds for seconds in pairs.peer_seconds]
        ours = [times * seconds for seconds in pairs.our_seconds]
        return cls(theirs, ours, difference, same)

    def __str__(self) -> str:
        return " / ".join(significant(statistics.median(one)) for one in (self.peer_seconds, self.our_seconds))


def compare(settings: Settings) -> Iterator[Comparison]:
    """K = 20 and K = 100; training, validation and test are measured once for both."""
    data, epochs = task(settings), trained(settings).epochs
    validation = data.validation.inputs[: settings.size(4096, 64)]
    test = data.test.inputs[: settings.size(10_000, 64)]
    common = {
        "training": _training(settings, epochs),
        "validation": _prediction(settings, [validation] * settings.repetitions, 4, epochs),
        "test": _prediction(settings, [test] * settings.repetitions, 4, 1),
    }
    for num_samples in (20, settings.size(100, 30)):
        yield _whole(settings, num_samples, common | _acquisition(settings, num_samples))


def _whole(settings: Settings, num_samples: int, parts: dict[str, Part]) -> Comparison:
    theirs = [sum(samples) for samples in zip(*(part.peer_seconds for part in parts.values()), strict=True)]
    ours = [sum(samples) for samples in zip(*(part.our_seconds for part in parts.values()), strict=True)]
    points, epochs = size(len(task(settings).pool)), trained(settings).epochs
    largest = _largest_logit(settings, num_samples)
    difference = max(part.difference for part in parts.values())
    shown: dict[str, Value] = {f"{name.capitalize()}, s: peer / ours": str(part) for name, part in parts.items()}
    return Comparison(
        work="round",
        setting=f"RepeatedMNIST, K = {num_samples}, {points} pool points, {epochs} epochs, float32",
        peer="plain module, batchbald_redux",
        peer_seconds=theirs,
        our_seconds=ours,
        same_answer=difference <= TOLERANCE * largest and all(part.same for part in parts.values()),
        method=_METHOD,
        details=shown | {"Largest difference of log-probs": difference, "Largest logit": largest},
        environment=environment_of(settings),
    )


def _training(settings: Settings, epochs: int) -> Part:
    """All steps of all epochs, from samples of 40 steps."""
    steps = settings.size(40, 4)
    pairs = time_steps(settings, steps)
    in_all = epochs * regime(settings).epoch_draws / regime(settings).batch_size
    return Part.of(pairs, in_all / steps)


def _acquisition(settings: Settings, num_samples: int) -> dict[str, Part]:
    """Prediction of the pool from slices of 2000 points, one a repetition; choice among 10 000."""
    slice_size, pool = settings.size(2000, 32), task(settings).pool.inputs
    slices = torch.split(pool[: settings.repetitions * slice_size], slice_size)
    prediction = _prediction(settings, slices, num_samples, len(pool) / slice_size)
    return {"prediction": prediction, "choice": _choice(settings, pool[: settings.size(10_000, 160)], num_samples)}


def _prediction(settings: Settings, inputs_by_repetition: Sequence[Tensor], num_samples: int, times: float) -> Part:
    """Log-probs of such inputs under K masks, `times` times; both sides make their posterior anew each time."""
    network = trained(settings).network
    masks = draw_masks(network, num_samples, _generator())
    best = fastest_chunk_size(settings, ReplicatedNetwork(network, masks), inputs_by_repetition[0])
    theirs_to_come, ours_to_come = iter(inputs_by_repetition), iter(inputs_by_repetition)

    def theirs(inputs: Tensor) -> Tensor:
        return ReplicatedNetwork(network, masks).log_probs(inputs, best)

    def ours(inputs: Tensor) -> Tensor:
        posterior = FittedMCDropout(network).posterior(num_samples, _generator())
        return torch.cat([posterior.log_probs(inputs_n) for inputs_n in chunks(inputs)])

    theirs(inputs_by_repetition[0][:64]), ours(inputs_by_repetition[0][:64])  # warm-up
    pairs = time_pairs(
        lambda: theirs(next(theirs_to_come)),
        lambda: ours(next(ours_to_come)),
        len(inputs_by_repetition),
        settings.device,
        warm_up=False,
    )
    answers = zip(pairs.peer_answers, pairs.our_answers, strict=True)
    difference = max((one - other).abs().max().item() for one, other in answers)
    return Part.of(pairs, times, difference)


def _choice(settings: Settings, inputs: Tensor, num_samples: int) -> Part:
    """The best 10 by BALD, from stored log-probs of a part of the pool, scaled to the pool."""
    posterior = FittedMCDropout(trained(settings).network).posterior(num_samples, _generator())
    log_probs_N_K_C = torch.cat([posterior.log_probs(inputs_n) for inputs_n in chunks(inputs)])
    pool = TensorPool(log_probs_N_K_C)
    pairs = time_pairs(
        lambda: list(get_bald_batch(log_probs_N_K_C, _B).indices),
        lambda: [int(position) for position in BALD().select(pool, _B, torch.Generator()).positions],
        settings.repetitions,
        settings.device,
    )
    same = same_but_for_ties(BALD().scores(pool).cpu(), pairs.our_answers[0], pairs.peer_answers[0], 1e-6)
    times = len(task(settings).pool) / len(inputs)
    return Part.of(pairs, times, same=same)


def _largest_logit(settings: Settings, num_samples: int) -> float:
    network = trained(settings).network
    masks = draw_masks(network, num_samples, _generator())
    return largest_logit(network, masks, task(settings).pool.inputs[:64])


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)
