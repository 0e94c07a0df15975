"""baal: its BALD and BatchBALD (https://github.com/baal-org/baal), which take probabilities as NumPy arrays."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits

from ._global_state import seeded_globals, without_import_warnings
from ._pool_tensors import draws_a_sample, probs_array, require_joint_samples


@dataclass(frozen=True)
class BaalBALD(AcquisitionFunction):
    """BALD by `baal.active.heuristics.BALD`: the first B of its ranking by H[p̄_n] - mean_k H[p_nk], in nats.

    As the paper defines it, computed in the pool's type. Scores of sure points can be negative by rounding; ties break
    as a reversed `numpy.argsort` does, mostly for the higher position.
    """

    citation = "Atighehchian, Branchaud-Charron and Lacoste 2020, arXiv:2006.09916 (baal); BALD: Houlsby et al. 2011"
    cost = "O(N K C) time and memory"

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        ranking = heuristics().BALD()
        with seeded_globals(generator, pool.device):  # it draws which of no points to shuffle
            return _first(ranking.get_ranks(probs_array(pool)), batch_size, pool.device)


@dataclass(frozen=True)
class BaalBatchBALD(AcquisitionFunction):
    """BatchBALD by `baal.active.heuristics.BatchBALD`, with M // K label configurations drawn a posterior sample.

    It differs from the paper's in this:

    - The first point is BALD's; from the second on joint entropies are sampled, also where they could be exact.
    - Its ranking is by H[Y_1..Y_i] - E_w H[Y_i | w] at the time when a point was taken, which is neither gain nor joint
      information and mostly larger for later points; the batch comes in that order, not in the order taken.
    - For `num_samples` points it takes one more, and the ranking then leaves one out, mostly the first. It is
      asked for B - 1 here, which takes B points: the greedy batch.
    - It ends early once more than 10 picks had a value below 0.1 nats; the rest of the batch is then arbitrary.

    All N x M x C joint probabilities are in memory at once.
    """

    joint_samples: int = field(default=10_000, metadata={"symbol": "M"})

    citation = "baal 2; Kirsch, van Amersfoort and Gal 2019, arXiv:1906.08158"
    cost = "O(B N M K C) time, N x M x C numbers in memory"
    stochastic = True

    def __post_init__(self) -> None:
        require_joint_samples(self.joint_samples)

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        num_draw = draws_a_sample("baal", self.joint_samples, pool.num_samples) if batch_size > 1 else 1
        ranking = heuristics().BatchBALD(num_samples=batch_size - 1, num_draw=num_draw)
        with seeded_globals(generator, pool.device):
            return _first(ranking.get_ranks(probs_array(pool)), batch_size, pool.device)


def heuristics() -> Any:
    """Import the module baal.active.heuristics.heuristics."""
    with without_import_warnings():
        from baal.active.heuristics import heuristics
    return heuristics


def _first(
    ranked: tuple[NDArray[np.int64], NDArray[np.floating]], batch_size: int, device: torch.device
) -> AcquiredBatch:
    """The first B of a ranking of all points, with their scores, from (ranking_N, scores_N)."""
    ranking_N, scores_N = ranked
    chosen_B = ranking_N[:batch_size].copy()  # the ranking is reversed, and tensors take no negative strides
    return AcquiredBatch(
        torch.from_numpy(chosen_B).to(device), torch.from_numpy(scores_N[chosen_B]).double().to(device)
    )
