"""Sampling without replacement from Gibbs distributions, by Gumbel top-k."""

import torch
from torch import Tensor

from softal_bench.errors import NumericalError


def sample_without_replacement(log_weights_N: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
    """Draw `batch_size` positions, one after another, with p_i proportional to exp(log_weights_i) among those left.

    The top B of log_weights_N + Gumbel(0, 1) noise have exactly this distribution, in this order (Vieira 2014; Kool et
    al. 2019, "Stochastic Beams and Where to Find Them"). Positions of weight 0 (log-weight -inf) come last, in uniform
    order. Costs O(N + B log B) time and O(N) memory.

    Args:
        log_weights_N: unnormalised, any device; NaN and +inf are refused.
        batch_size: B <= N.
        generator: a CPU generator; noise is drawn in float64 on the CPU and moved.

    Returns:
        positions_B, LongTensor on the device of log_weights_N, in the order drawn.

    Raises:
        NumericalError: if a log-weight is NaN or +inf; says which.
    """
    log_weights_N = log_weights_N.double()
    require_usable(log_weights_N, log_weights_N < torch.inf, "log-weight", "finite or -inf")
    gumbel_N = standard_gumbel(len(log_weights_N), generator).to(log_weights_N.device)
    keys_N = log_weights_N + gumbel_N
    least = keys_N.topk(batch_size).values.amin()
    candidates = (keys_N >= least).nonzero().flatten()  # B of them, and those tied with the last
    # Two stable sorts: by noise alone, then by key. Keys tied at -inf keep the noise's order, which is uniform.
    by_noise = candidates[gumbel_N[candidates].argsort(descending=True, stable=True)]
    return by_noise[keys_N[by_noise].argsort(descending=True, stable=True)][:batch_size]


def standard_gumbel(size: int, generator: torch.Generator) -> Tensor:
    """Gumbel(0, 1) noise, float64 on the CPU: -log E with E standard exponential, so that no value is infinite."""
    exponential = torch.empty(size, dtype=torch.float64).exponential_(generator=generator)
    return -exponential.clamp_min(torch.finfo(torch.float64).tiny).log()


def ranks(scores_N: Tensor, generator: torch.Generator) -> Tensor:
    """Rank 1 for the best score, N for the worst, float64; ties in random order.

    Raises:
        NumericalError: if a score is NaN; says which.

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
    """Raise NumericalError if a score is NaN; says which. Sorting would put it first, without a word."""
    require_usable(scores_N, ~scores_N.isnan(), "score", "a number")


def require_usable(values_N: Tensor, usable_N: Tensor, what: str, needed: str) -> None:
    """Raise NumericalError for the first value that is not usable; says which."""
    if not bool(usable_N.all()):
        position = int((~usable_N).nonzero()[0, 0])
        raise NumericalError(what, f"is {values_N[position].item()}; {needed} is needed", position)
