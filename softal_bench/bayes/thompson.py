"""Thompson sampling of a batch: each pick is the best point under one posterior sample."""

from collections.abc import Iterator

import torch
from torch import Tensor

from softal_bench.bayes.information import bald_terms
from softal_bench.bayes.streaming import scored_chunks
from softal_bench.contracts import Pool


def draw_samples(num_samples: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """samples_B: uniform draws from the K posterior samples, each of them once before any comes again."""
    passes = -(-batch_size // num_samples)
    return torch.cat([torch.randperm(num_samples, generator=generator) for _ in range(passes)])[:batch_size]


def best_under_samples(pool: Pool, samples_B: Tensor) -> tuple[Tensor, Tensor]:
    """For each of B posterior samples in turn the point of largest H[p̄_n] - H[p_nk] that is not yet taken.

    At most B - 1 points are taken before a pick, so the best B under each distinct sample are all that is kept while
    the pool is read once. Ties go to the lower position. Costs O(N K C) time, O(B min(B, K)) memory and a chunk's.

    Args:
        pool: the candidates.
        samples_B: LongTensor on the CPU, each in 0 .. K-1; B <= N.

    Returns:
        (positions_B, terms_B): the points in the order taken, LongTensor, and their terms, float64 nats.

    Raises:
        NumericalError: if a log-prob is NaN or an entropy out of its bounds by more than rounding.
    """
    distinct_S, rows_B = torch.unique(samples_B, return_inverse=True)
    ranked = [_pairs(*ranking) for ranking in zip(*_best(pool, distinct_S, len(samples_B)), strict=True)]
    taken: dict[int, float] = {}
    for row in rows_B.tolist():
        position, term = next(pair for pair in ranked[row] if pair[0] not in taken)
        taken[position] = term
    positions_B = torch.tensor(list(taken), device=pool.device)
    return positions_B, torch.tensor(list(taken.values()), dtype=torch.float64, device=pool.device)


def _best(pool: Pool, samples_S: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(positions_S_b, terms_S_b): under each sample the `count` best points, best first, ties by position."""
    samples_S = samples_S.to(pool.device)
    positions_S_b = torch.empty(len(samples_S), 0, dtype=torch.int64, device=pool.device)
    terms_S_b = torch.empty(len(samples_S), 0, dtype=torch.float64, device=pool.device)
    for positions_n, _, terms_n_S in scored_chunks(
        pool, lambda log_probs_n_K_C: bald_terms(log_probs_n_K_C, samples_S)
    ):
        positions_S_x = torch.cat([positions_S_b, positions_n.expand(len(samples_S), -1)], dim=1)
        terms_S_x = torch.cat([terms_S_b, terms_n_S.T], dim=1)
        # The points kept stand before those of the chunk, so that a stable sort leaves ties in the order of positions.
        order_S_x = terms_S_x.argsort(dim=1, descending=True, stable=True)[:, :count]
        positions_S_b, terms_S_b = positions_S_x.gather(1, order_S_x), terms_S_x.gather(1, order_S_x)
    return positions_S_b, terms_S_b


def _pairs(positions_b: Tensor, terms_b: Tensor) -> Iterator[tuple[int, float]]:
    return zip(positions_b.tolist(), terms_b.tolist(), strict=True)
