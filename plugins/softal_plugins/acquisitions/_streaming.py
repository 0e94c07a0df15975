"""Scores from a function of log-probs, one chunk of the pool at a time, so that no N x K x C tensor is held."""

from collections.abc import Callable

import torch
from torch import Tensor

from softal_bench.contracts import Pool
from softal_bench.errors import NumericalError


def streamed_scores(pool: Pool, score: Callable[[Tensor], Tensor]) -> Tensor:
    """Return scores_N, float64 on the pool's device, from `score`: log_probs_n_K_C -> scores_n. Memory O(N)."""
    scores_N = torch.empty(pool.size, dtype=torch.float64, device=pool.device)
    for positions_n, log_probs_n_K_C in pool.log_probs():
        try:
            scores_N[positions_n] = score(log_probs_n_K_C)
        except NumericalError as error:
            raise error.at(positions_n.tolist()) from error
    return scores_N
