"""k-means++ seeding from inner products alone, for points whose coordinates are too many to be written out."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from softal_bench.bayes.gibbs import require_usable

_ROUNDING = 1e-13  # squared distances below this part of |g|² + |g'|² are 0: that of embeddings computed in float32


def kmeans_plus_plus(
    squared_norms_N: Tensor, inner_products: Callable[[int], Tensor], batch_size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose B of N points as centres: first that of largest norm, then by D² sampling without replacement.

    With D_n the distance of point n from the nearest centre so far, the next centre is n with probability
    D_n² / sum_m D_m². Points at a centre have probability 0; once all are, the next centre is uniform among the points
    not taken. Of equal largest norms the lower position comes first. Distances follow from
    |g - g'|² = |g|² + |g'|² - 2 g · g' in float64; what rounding leaves of 0 is taken as 0.

    Costs B calls of `inner_products` and O(B N) time, O(N) memory.

    Args:
        squared_norms_N: |g_n|², float64.
        inner_products: position m -> (g_n · g_m)_N, float64.
        batch_size: B <= N.
        generator: a CPU generator; one draw for each centre after the first.

    Returns:
        (positions_B, distances_B): the centres in the order taken, LongTensor, and each one's distance, float64, from
        the nearest centre before it; the first one's norm.

    Raises:
        NumericalError: if a norm is not finite; says which.

    Source: Arthur and Vassilvitskii 2007, "k-means++: The Advantages of Careful Seeding"; with the first centre of the
    code of Ash et al. 2020, arXiv:1906.03671, where the former draws it uniformly.
    """
    require_usable(squared_norms_N, squared_norms_N.isfinite(), "the squared norm", "a finite number")
    position = int(squared_norms_N.argmax())
    positions, distances = [position], [math.sqrt(squared_norms_N[position])]
    nearest_N = torch.full_like(squared_norms_N, torch.inf)
    while len(positions) < batch_size:
        nearest_N = torch.minimum(nearest_N, _squared_distances(squared_norms_N, position, inner_products(position)))
        nearest_N[position] = 0.0
        position = _drawn(nearest_N, positions, generator)
        positions.append(position)
        distances.append(math.sqrt(nearest_N[position]))
    device = squared_norms_N.device
    return torch.tensor(positions, device=device), torch.tensor(distances, dtype=torch.float64, device=device)


def _squared_distances(squared_norms_N: Tensor, position: int, inner_products_N: Tensor) -> Tensor:
    """|g_n - g_m|² of all points from that at the position, at least 0."""
    sums_N = squared_norms_N + squared_norms_N[position]
    squared_N = sums_N - 2 * inner_products_N
    return squared_N.masked_fill_(squared_N <= _ROUNDING * sums_N, 0.0)


def _drawn(weights_N: Tensor, taken: list[int], generator: torch.Generator) -> int:
    """A position with probability in proportion to its weight; uniform among those not taken where all weigh 0."""
    if not bool(weights_N.any()):
        weights_N = torch.ones_like(weights_N)
        weights_N[taken] = 0.0
    return int(torch.multinomial(weights_N.cpu(), 1, generator=generator))
