"""Scores from a function of log-probs, one chunk of the pool at a time, so that no N x K x C tensor is held."""

from collections.abc import Callable

import torch
from torch import Tensor

from softal_bench.bayes.streaming import scored_chunks
from softal_bench.contracts import Pool


def streamed_scores(pool: Pool, score: Callable[[Tensor], Tensor]) -> Tensor:
    """Return scores_N, float64 on the pool's device, from `score`: log_probs_n_K_C -> scores_n. Memory O(N)."""
    scores_N = torch.empty(pool.size, dtype=torch.float64, device=pool.device)
    for positions_n, _, scores_n in scored_chunks(pool, score):
        scores_N[positions_n] = scores_n
    return scores_N
