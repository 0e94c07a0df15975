from dataclasses import dataclass

import torch

from softal_bench.bayes.centres import k_center_greedy
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits


@dataclass(frozen=True)
class Coreset(AcquisitionFunction):
    """k-center greedy: each pick is the point farthest from all labelled points and all earlier picks.

    Distances are those of embeddings. The largest distance of a point from its nearest centre is at most twice that of
    the best batch. The scores are the distances at which points were taken, so they never increase. Ties go to the
    lower position. If no point is labelled, the first pick is position 0, at an infinite distance.
    """

    needs = frozenset({"embeddings", "labelled"})
    citation = "Sener and Savarese 2018, arXiv:1708.00489, algorithm 1"
    cost = "O((L + B) N D) time for L labelled points and embeddings of D dimensions, O((L + N) D) memory; no posterior"

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        positions_B, distances_B = k_center_greedy(pool.embeddings(), pool.labelled.embeddings(), batch_size)
        return AcquiredBatch(positions_B, distances_B)
