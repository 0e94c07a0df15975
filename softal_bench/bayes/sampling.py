"""Random batches: sampling without replacement from a Gibbs distribution, and Thompson sampling."""

from collections.abc import Iterator

import torch
from torch import Tensor

from softal_bench.bayes.information import bald_terms, require_usable
from softal_bench.contracts import Pool
from softal_bench.contracts.pool import errors_at


def sample_without_replacement(log_weights_N: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
    """Draw `batch_size` positions, one after another, with p_i proportional to exp(log_weights_i) among those left.

    The top B of log_weights_N + Gumbel(0, 1) noise have exactly this distribution, in this order (Vieira 2014; Kool et
    al. 2019, "Stochastic Beams and Where to Find Them"). Positions of weight 0 (log-weight -inf) come last, in uniform
    random order. Costs O(N + B log B) time and O(N) memory.

    Args:
        log_weights_N: unnormalised, on any device; must not contain NaN or +inf.
        batch_size: B <= N.
        generator: a CPU generator; noise is drawn in float64 on the CPU and moved to the device.

    Returns:
        positions_B, LongTensor on the device of log_weights_N, in the order drawn.

    Raises:
        NumericalError: if a log-weight is NaN or +inf; the error names its position.
    """
    log_weights_N = log_weights_N.double()
    require_usable(log_weights_N, log_weights_N < torch.inf, "log-weight", "finite or -inf")
    gumbel_N = standard_gumbel(len(log_weights_N), generator).to(log_weights_N.device)
    keys_N = log_weights_N + gumbel_N
    least = keys_N.topk(batch_size).values.amin()
    candidates = (keys_N >= least).nonzero().flatten()  # the top B, and those tied with the last of them
    # Two stable sorts: by noise alone, then by key. Keys tied at -inf keep the order of the noise, which is uniform.
    by_noise = candidates[gumbel_N[candidates].argsort(descending=True, stable=True)]
    return by_noise[keys_N[by_noise].argsort(descending=True, stable=True)][:batch_size]


def standard_gumbel(size: int, generator: torch.Generator) -> Tensor:
    """Draw Gumbel(0, 1) noise, float64 on the CPU: -log E for standard exponential E, so that no value is infinite."""
    exponential = torch.empty(size, dtype=torch.float64).exponential_(generator=generator)
    return -exponential.clamp_min(torch.finfo(torch.float64).tiny).log()


def ranks(scores_N: Tensor, generator: torch.Generator) -> Tensor:
    """Return the rank of each score, float64: 1 for the best, N for the worst, ties in random order.

    Raises:
        NumericalError: if a score is NaN; the error names its position.

    >>> ranks(torch.tensor([0.1, 0.9, 0.5]), torch.Generator()).tolist()
    [3.0, 1.0, 2.0]
    """
    require_numbers(scores_N)
    shuffled_N = torch.randperm(len(scores_N), generator=generator).to(scores_N.device)
    order_N = shuffled_N[scores_N[shuffled_N].argsort(descending=True, stable=True)]
    ranks_N = torch.empty(len(scores_N), dtype=torch.float64, device=scores_N.device)
    ranks_N[order_N] = torch.arange(1, len(scores_N) + 1, dtype=torch.float64, device=scores_N.device)
    return ranks_N


def require_numbers(scores_N: Tensor) -> None:
    """Raise NumericalError, with the position, if a score is NaN. Sorting would silently put it first."""
    require_usable(scores_N, ~scores_N.isnan(), "score", "a number")


def draw_samples(num_samples: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Draw samples_B uniformly from the K posterior samples, without repeating a sample before all were drawn."""
    passes = -(-batch_size // num_samples)
    return torch.cat([torch.randperm(num_samples, generator=generator) for _ in range(passes)])[:batch_size]


def best_under_samples(pool: Pool, samples_B: Tensor) -> tuple[Tensor, Tensor]:
    """Take, for each of B posterior samples in turn, the point with the largest H[p̄_n] - H[p_nk] not yet taken.

    At most B - 1 points are taken before a pick, so only the best B points under each distinct sample are kept while
    the pool is read once. Ties go to the lower position. Costs O(N K C) time, and O(B min(B, K)) memory plus one chunk.

    Args:
        pool: the candidates.
        samples_B: LongTensor on the CPU, each in 0 .. K-1; B <= N.

    Returns:
        (positions_B, terms_B): the points in the order taken, LongTensor, and their terms, float64 nats.

    Raises:
        NumericalError: if a log-prob is NaN or an entropy is out of its bounds by more than rounding.
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
    """Return the `count` best points under each sample, best first, ties by position: (positions_S_b, terms_S_b)."""
    samples_S = samples_S.to(pool.device)
    positions_S_b = torch.empty(len(samples_S), 0, dtype=torch.int64, device=pool.device)
    terms_S_b = torch.empty(len(samples_S), 0, dtype=torch.float64, device=pool.device)
    for positions_n, log_probs_n_K_C in pool.log_probs():
        with errors_at(positions_n):
            terms_n_S = bald_terms(log_probs_n_K_C, samples_S)
        positions_S_x = torch.cat([positions_S_b, positions_n.expand(len(samples_S), -1)], dim=1)
        terms_S_x = torch.cat([terms_S_b, terms_n_S.T], dim=1)
        # The kept points precede those of the chunk, so that a stable sort leaves ties in the order of positions.
        order_S_x = terms_S_x.argsort(dim=1, descending=True, stable=True)[:, :count]
        positions_S_b, terms_S_b = positions_S_x.gather(1, order_S_x), terms_S_x.gather(1, order_S_x)
    return positions_S_b, terms_S_b


def _pairs(positions_b: Tensor, terms_b: Tensor) -> Iterator[tuple[int, float]]:
    return zip(positions_b.tolist(), terms_b.tolist(), strict=True)
