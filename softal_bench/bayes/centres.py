"""Batches of points far from each other: k-center greedy and k-means++ seeding."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from softal_bench.bayes.information import block_elements, require_usable

_ROUNDING = 1e-13  # squared distances below this fraction of |g|² + |g'|² are 0: rounding of float32 embeddings


def k_center_greedy(embeddings_N_D: Tensor, labelled_L_D: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Take, B times, the point farthest from its nearest centre; centres are the labelled and the taken points.

    The largest remaining distance, max_n min_c |x_n - c|, is at most twice the smallest that any B points reach
    (Gonzalez 1985). Ties go to the lower position. If L = 0, the first point is position 0, at an infinite distance.

    Distances are float64 and are computed from differences, which are exact between equal embeddings; |c|² - 2 x · c is
    used only to find the nearest labelled point. Costs O((L + B) N D) time, of which the part with L is a matrix
    product. Memory: float64 copies of the embeddings and a block, never N x L.

    Args:
        embeddings_N_D, labelled_L_D: embeddings of the pool and of the labelled set, any floating dtype.
        batch_size: B <= N.

    Returns:
        (positions_B, distances_B): the points in the order taken, LongTensor, and the distance of each, float64, from
        the nearest earlier centre.

    Raises:
        NumericalError: if an embedding is not finite; the error names its position.

    Source: Sener and Savarese 2018, arXiv:1708.00489, algorithm 1.
    """
    points_N_D = _finite(embeddings_N_D, "the embedding's squared norm")
    nearest_N = _distances_from_nearest(points_N_D, _finite(labelled_L_D, "the labelled embedding's squared norm"))
    positions: list[int] = []
    distances: list[float] = []
    for _ in range(batch_size):
        position = int(nearest_N.argmax())
        positions.append(position)
        distances.append(float(nearest_N[position]))
        nearest_N = torch.minimum(nearest_N, _distances(points_N_D, points_N_D[position]))
        nearest_N[position] = -torch.inf  # so that it is not taken again
    device = points_N_D.device
    return torch.tensor(positions, device=device), torch.tensor(distances, dtype=torch.float64, device=device)


def _finite(embeddings_N_D: Tensor, what: str) -> Tensor:
    """Return a float64 copy of the embeddings. Raise NumericalError if one is not finite."""
    points_N_D = embeddings_N_D.double()
    squared_N = points_N_D.square().sum(dim=1)
    require_usable(squared_N, squared_N.isfinite(), what, "a finite number")
    return points_N_D


def _distances(points_N_D: Tensor, centre_D: Tensor) -> Tensor:
    """Return |x_n - c|, computed from differences without an N x D copy of them."""
    centre_1_D = centre_D.unsqueeze(0)
    return torch.cdist(points_N_D, centre_1_D, compute_mode="donot_use_mm_for_euclid_dist").squeeze(1)


def _distances_from_nearest(points_N_D: Tensor, centres_L_D: Tensor) -> Tensor:
    """Return min_l |x_n - c_l|, computed for a block of points at a time; infinite if there is no centre."""
    if not len(centres_L_D):
        return points_N_D.new_full((len(points_N_D),), torch.inf)
    elements = block_elements(points_N_D.device)
    columns = min(len(centres_L_D), math.isqrt(elements))
    distances = []
    for points_n_D in torch.split(points_N_D, elements // columns):
        differences_n_D = points_n_D - centres_L_D[_nearest(points_n_D, centres_L_D, columns)]
        distances.append(torch.linalg.vector_norm(differences_n_D, dim=1))
    return torch.cat(distances)


def _nearest(points_n_D: Tensor, centres_L_D: Tensor, columns: int) -> Tensor:
    """Return argmin_l |x_n - c_l|, from |c_l|² - 2 x_n · c_l for `columns` centres at a time."""
    least_n = points_n_D.new_full((len(points_n_D),), torch.inf)
    nearest_n = torch.zeros_like(least_n, dtype=torch.int64)
    for first in range(0, len(centres_L_D), columns):
        centres_l_D = centres_L_D[first : first + columns]
        squared_norms_l = centres_l_D.square().sum(dim=1)
        value_n, place_n = torch.addmm(squared_norms_l, points_n_D, centres_l_D.T, alpha=-2).min(dim=1)
        nearest_n = torch.where(value_n < least_n, first + place_n, nearest_n)
        least_n = torch.minimum(least_n, value_n)
    return nearest_n


def kmeans_plus_plus(
    squared_norms_N: Tensor, inner_products: Callable[[int], Tensor], batch_size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose B of N points as centres: first the point with the largest norm, then by D² sampling without replacement.

    If D_n is the distance of point n from the nearest centre so far, the next centre is n with probability
    D_n² / sum_m D_m². Points at a centre have probability 0. If all points are at centres, the next centre is drawn
    uniformly from the points not taken. If several points have the largest norm, the lowest position comes first.
    Distances are computed as |g - g'|² = |g|² + |g'|² - 2 g · g' in float64; values within rounding of 0 are set to 0.

    Costs B calls of `inner_products` and O(B N) time, O(N) memory.

    Args:
        squared_norms_N: |g_n|², float64.
        inner_products: position m -> (g_n · g_m)_N, float64.
        batch_size: B <= N.
        generator: a CPU generator; one draw for each centre after the first.

    Returns:
        (positions_B, distances_B): the centres in the order taken, LongTensor, and the distance of each, float64, from
        the nearest earlier centre; for the first centre, its norm.

    Raises:
        NumericalError: if a norm is not finite; the error names its position.

    Source: Arthur and Vassilvitskii 2007, "k-means++: The Advantages of Careful Seeding", where the first centre is
    drawn uniformly; the first centre here is that of the code of Ash et al. 2020, arXiv:1906.03671.
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
    """Return |g_n - g_m|² of all points n, for the point m at the position; at least 0."""
    sums_N = squared_norms_N + squared_norms_N[position]
    squared_N = sums_N - 2 * inner_products_N
    return squared_N.masked_fill_(squared_N <= _ROUNDING * sums_N, 0.0)


def _drawn(weights_N: Tensor, taken: list[int], generator: torch.Generator) -> int:
    """Draw a position in proportion to its weight. If all weights are 0, draw uniformly from those not taken."""
    if not bool(weights_N.any()):
        weights_N = torch.ones_like(weights_N)
        weights_N[taken] = 0.0
    return int(torch.multinomial(weights_N.cpu(), 1, generator=generator))
