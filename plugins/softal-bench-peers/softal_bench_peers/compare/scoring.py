"""BALD scores and softmax batches against batchbald_redux and baal, and how a softmax batch grows with B."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from baal.active.heuristics import BALD as BaalBALD
from baal.active.heuristics.stochastics import GibbsSampling
from batchbald_redux.batchbald import get_bald_batch
from softal_plugins.acquisitions.bald import BALD
from softal_plugins.acquisitions.softmax import Softmax
from torch import Tensor

from softal_bench.contracts import AcquisitionFunction
from softal_bench.machine.stopwatch import Stopwatch
from softal_bench.pools import TensorPool
from softal_bench.report.stats.numbers import size
from softal_bench_peers.compare.records import Comparison

from .machine import environment_of
from .pairs import Pairs, time_pairs
from .settings import Settings
from .synthetic import SyntheticPool
from .trained import pool_log_probs

_B, _T = 10, 0.125
_TOLERANCE = 1e-6
_BALD = (
    "BALD: scores of N points (K = 20, C = 10) and the best 10 of them, from stored log-probs in float32. baal gets "
    "probabilities as a NumPy array in its own layout, converted outside the timers; it always ranks all points. Same "
    "answer: all scores agree within 1e-6 nats, and the best 10 are the same points but for ties within that."
)
_SOFTMAX = (
    "Softmax: the scores, and a batch of 10 drawn from softmax(score / T), T = 0.125. Same answer: the probabilities "
    "that both draw from agree within 1e-6 / T of the largest, and each batch is 10 points; the draws come from "
    "different generators."
)
_GROWTH = "Growth with B: a softmax batch by this suite alone, scores included, at B = 500 in turn with B = 5."


def compare(settings: Settings) -> Iterator[Comparison]:
    """A trained LeNet's pool of 20 000 points, a synthetic one of 100 000, then growth with B."""
    real = pool_log_probs(settings, settings.size(20_000, 600), 20)
    shape = (settings.size(100_000, 1000), 20, 10)
    made = SyntheticPool(shape, settings.device, Stopwatch(settings.device))
    synthetic = torch.cat([log_probs_n_K_C for _, log_probs_n_K_C in made.log_probs()])
    for kind, log_probs_N_K_C in {"LeNet": real, "synthetic": synthetic}.items():
        points = f"N = {size(len(log_probs_N_K_C))} ({kind}), float32"
        yield _bald_beside_redux(settings, points, log_probs_N_K_C)
        yield _bald_beside_baal(settings, points, log_probs_N_K_C)
        yield _softmax_beside_baal(settings, points, log_probs_N_K_C)
    yield _growth_with_batch_size(settings, synthetic)


def _bald_beside_redux(settings: Settings, points: str, log_probs_N_K_C: Tensor) -> Comparison:
    everything = get_bald_batch(log_probs_N_K_C, len(log_probs_N_K_C))
    scores_N = torch.empty(len(log_probs_N_K_C), dtype=torch.float64)
    scores_N[torch.tensor(everything.indices)] = torch.tensor(everything.scores, dtype=torch.float64)
    pairs = time_pairs(
        lambda: list(get_bald_batch(log_probs_N_K_C, _B).indices),
        lambda: _chosen(BALD(), log_probs_N_K_C, _B),
        settings.repetitions,
        settings.device,
    )
    return _bald_row(settings, ("batchbald_redux", points), pairs, _bald(log_probs_N_K_C), scores_N)


def _bald_beside_baal(settings: Settings, points: str, log_probs_N_K_C: Tensor) -> Comparison:
    probs_N_C_K = _for_baal(log_probs_N_K_C)
    pairs = time_pairs(
        lambda: [int(position) for position in BaalBALD()(probs_N_C_K)[:_B]],
        lambda: _chosen(BALD(), log_probs_N_K_C, _B),
        settings.repetitions,
        settings.device,
    )
    scores_N = torch.from_numpy(BaalBALD().get_uncertainties(probs_N_C_K)).double()
    return _bald_row(settings, ("baal", points), pairs, _bald(log_probs_N_K_C), scores_N)


def _bald_row(
    settings: Settings,
    peer_and_points: tuple[str, str],
    pairs: Pairs[list[int], list[int]],
    our_scores_N: Tensor,
    peer_scores_N: Tensor,
) -> Comparison:
    peer, points = peer_and_points
    difference = (our_scores_N - peer_scores_N).abs().max().item()
    same_batch = same_but_for_ties(our_scores_N, pairs.our_answers[-1], pairs.peer_answers[-1], _TOLERANCE)
    return Comparison(
        work="scoring",
        setting=f"BALD, {points}",
        peer=peer,
        peer_seconds=pairs.peer_seconds,
        our_seconds=pairs.our_seconds,
        same_answer=difference <= _TOLERANCE and same_batch,
        method=_BALD,
        details={"Largest difference": difference},
        environment=environment_of(settings),
    )


def _softmax_beside_baal(settings: Settings, points: str, log_probs_N_K_C: Tensor) -> Comparison:
    probs_N_C_K = _for_baal(log_probs_N_K_C)
    softmax = Softmax(BALD(), _T)
    pairs = time_pairs(
        lambda: GibbsSampling(BaalBALD(), _B, _T).get_ranks(probs_N_C_K),
        lambda: _chosen(softmax, log_probs_N_K_C, _B),
        settings.repetitions,
        settings.device,
    )
    peer_batch, peer_probabilities_N = pairs.peer_answers[-1]
    our_probabilities_N = softmax.log_weights(_bald(log_probs_N_K_C), torch.Generator()).softmax(dim=0)
    difference = (our_probabilities_N - torch.from_numpy(peer_probabilities_N)).abs().max() / our_probabilities_N.max()
    all_distinct = all(len(set(batch)) == _B for batch in (peer_batch.tolist(), pairs.our_answers[-1]))
    return Comparison(
        work="scoring",
        setting=f"softmax, {points}",
        peer="baal",
        peer_seconds=pairs.peer_seconds,
        our_seconds=pairs.our_seconds,
        same_answer=difference.item() <= _TOLERANCE / _T and all_distinct,
        method=_SOFTMAX,
        details={"Largest difference": difference.item()},
        environment=environment_of(settings),
    )


def _growth_with_batch_size(settings: Settings, log_probs_N_K_C: Tensor) -> Comparison:
    pairs = time_pairs(
        lambda: _chosen(Softmax(), log_probs_N_K_C, 5),
        lambda: _chosen(Softmax(), log_probs_N_K_C, 500),
        2 * settings.repetitions,
        settings.device,
    )
    small, large = statistics.median(pairs.peer_seconds), statistics.median(pairs.our_seconds)
    return Comparison(
        work="scoring",
        setting=f"softmax, N = {size(len(log_probs_N_K_C))} (synthetic), float32, B = 500",
        peer=None,
        peer_seconds=[],
        our_seconds=pairs.our_seconds,
        same_answer=None,
        method=_GROWTH,
        details={"Seconds at B = 5": small, "B = 500 over B = 5": large / small},
        environment=environment_of(settings),
    )


def same_but_for_ties(scores_N: Tensor, batch: Sequence[int], other: Sequence[int], tolerance: float) -> bool:
    """Whether two batches are distinct points with the same scores in order of score, within the tolerance."""
    if not len(set(batch)) == len(set(other)) == len(batch) == len(other):
        return False
    sorted_scores = [scores_N[list(one)].sort().values for one in (batch, other)]
    return bool((sorted_scores[0] - sorted_scores[1]).abs().max() <= tolerance)


def _chosen(acquisition: AcquisitionFunction, log_probs_N_K_C: Tensor, batch_size: int) -> list[int]:
    batch = acquisition.select(TensorPool(log_probs_N_K_C), batch_size, torch.Generator().manual_seed(0))
    positions: list[int] = batch.positions.tolist()
    return positions


def _bald(log_probs_N_K_C: Tensor) -> Tensor:
    return BALD().scores(TensorPool(log_probs_N_K_C)).cpu()


def _for_baal(log_probs_N_K_C: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.ascontiguousarray(log_probs_N_K_C.exp().permute(0, 2, 1).cpu().numpy())
