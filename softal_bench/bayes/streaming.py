"""Scores of a pool, one chunk at a time, so that no N x K x C tensor is held."""

from collections.abc import Callable, Iterator

from torch import Tensor

from softal_bench.contracts import Pool
from softal_bench.errors import NumericalError


def scored_chunks(pool: Pool, score: Callable[[Tensor], Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield (positions_n, log_probs_n_K_C, scores_n) for each chunk, from `score`: log_probs_n_K_C -> scores_n.

    Raises:
        NumericalError: what `score` raises, with the position in the pool.
    """
    for positions_n, log_probs_n_K_C in pool.log_probs():
        try:
            scores_n = score(log_probs_n_K_C)
        except NumericalError as error:
            raise error.at(positions_n.tolist()) from error
        yield positions_n, log_probs_n_K_C, scores_n
