"""BatchBALD against batchbald_redux's, from a trained LeNet's log-probs."""

import math
from collections.abc import Iterator

import torch
from batchbald_redux.batchbald import get_batchbald_batch
from softal_plugins.acquisitions.batchbald import BatchBALD
from torch import Tensor

from softal_bench.pools import TensorPool
from softal_bench.report.stats.numbers import size
from softal_bench_peers.compare.records import Comparison, Value

from .joint_information import joint_information
from .machine import environment_of
from .pairs import Pairs, time_pairs
from .settings import Settings
from .trained import pool_log_probs

_M = 10_000
_STANDARD_ERRORS = 3
_METHOD = (
    "A greedy BatchBALD batch from the log-probs (float64, C = 10) of N pool points of RepeatedMNIST under K masks of "
    "a LeNet trained on 60 labels, with M = 10 000 label configurations on both sides; warmed up on 500 points. Same "
    "answer, in every repetition: the same points in the same order while joint entropies are exact on both sides "
    "(C^(b-1) <= M before point b), and, where points are chosen by sampled entropies, joint information of both "
    "batches within 3 standard errors of their difference, by plain Monte Carlo over label vectors drawn for the "
    "check alone."
)


def compare(settings: Settings) -> Iterator[Comparison]:
    """B = 5, all of it exact, and B = 10."""
    points, num_samples = settings.size(20_000, 300), settings.size(100, 20)
    log_probs_N_K_C = pool_log_probs(settings, points, num_samples).double()
    for batch_size in (5, settings.size(10, 7)):
        yield _compare(settings, log_probs_N_K_C, batch_size)


def _compare(settings: Settings, log_probs_N_K_C: Tensor, batch_size: int) -> Comparison:
    points, num_samples, num_classes = log_probs_N_K_C.shape
    _theirs(log_probs_N_K_C[:500], batch_size)
    _ours(log_probs_N_K_C[:500], batch_size, seed=0)
    seeds = iter(range(settings.repetitions))
    torch.manual_seed(0)  # batchbald_redux draws from the global generator
    pairs = time_pairs(
        lambda: _theirs(log_probs_N_K_C, batch_size),
        lambda: _ours(log_probs_N_K_C, batch_size, next(seeds)),
        settings.repetitions,
        settings.device,
        warm_up=False,
    )
    same, details = _agreement(settings, log_probs_N_K_C, pairs, 1 + math.floor(math.log(_M, num_classes) + 1e-9))
    return Comparison(
        work="BatchBALD",
        setting=f"N = {size(points)}, K = {num_samples}, M = {size(_M)}, B = {batch_size}, float64",
        peer="batchbald_redux",
        peer_seconds=pairs.peer_seconds,
        our_seconds=pairs.our_seconds,
        same_answer=same,
        method=_METHOD,
        details=details,
        environment=environment_of(settings),
    )


def _agreement(
    settings: Settings, log_probs_N_K_C: Tensor, pairs: Pairs[list[int], list[int]], exact: int
) -> tuple[bool, dict[str, Value]]:
    """Whether all pairs of batches agree, given how many points are chosen by exact entropies; and how closely."""
    answers = list(zip(pairs.peer_answers, pairs.our_answers, strict=True))
    same_exact = all(theirs[:exact] == ours[:exact] for theirs, ours in answers)
    details: dict[str, Value] = {"Points equal, by repetition": ", ".join(str(_common(*pair)) for pair in answers)}
    if all(theirs == ours for theirs, ours in answers):
        return same_exact, details
    samples = settings.size(20_000, 200)
    deviations, differences = [], []
    for number, pair in enumerate(answers):
        generator = torch.Generator().manual_seed(number)
        estimates = [joint_information(log_probs_N_K_C[batch], samples, generator) for batch in pair]
        differences.append(estimates[1][0] - estimates[0][0])
        deviations.append(differences[-1] / math.hypot(estimates[0][1], estimates[1][1]))
    details["Ours less theirs, joint information, nats"] = ", ".join(f"{one:+.4f}" for one in differences)
    details["The same in standard errors"] = ", ".join(f"{one:+.1f}" for one in deviations)
    return same_exact and all(abs(one) <= _STANDARD_ERRORS for one in deviations), details


def _theirs(log_probs_N_K_C: Tensor, batch_size: int) -> list[int]:
    batch = get_batchbald_batch(log_probs_N_K_C, batch_size, _M, dtype=torch.double, device=log_probs_N_K_C.device)
    return [int(position) for position in batch.indices]


def _ours(log_probs_N_K_C: Tensor, batch_size: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    batch = BatchBALD(joint_samples=_M).select(TensorPool(log_probs_N_K_C), batch_size, generator)
    positions: list[int] = batch.positions.tolist()
    return positions


def _common(theirs: list[int], ours: list[int]) -> str:
    """How many points both batches have, of how many."""
    return f"{len(set(theirs) & set(ours))}/{len(ours)}"
