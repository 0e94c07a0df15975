"""k-means++ seeding compared with enumerated D² probabilities, and with scikit-learn on the same points."""

import math
from collections.abc import Callable

import numpy as np
import oracles
import pytest
import torch
from frequencies import agree
from scipy import stats
from sklearn.cluster import kmeans_plusplus as sklearn_kmeans_plus_plus
from torch import Tensor

from softal_bench.bayes.centres import kmeans_plus_plus
from softal_bench.errors import NumericalError

POINTS_N_D = np.random.default_rng(3).normal(size=(6, 2))
LARGEST = int((POINTS_N_D**2).sum(axis=1).argmax())


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def inner_products_of(points_N_D: Tensor) -> Callable[[int], Tensor]:
    return lambda position: points_N_D @ points_N_D[position]


def seeding(points_N_D: Tensor, batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    squared_norms_N = points_N_D.square().sum(dim=1)
    return kmeans_plus_plus(squared_norms_N, inner_products_of(points_N_D), batch_size, generator)


def test_the_first_centre_has_the_largest_norm_and_later_ones_follow_d_squared_sampling() -> None:
    points, generator = torch.from_numpy(POINTS_N_D), seeded(0)
    drawn = [tuple(seeding(points, 3, generator)[0].tolist()) for _ in range(4000)]
    assert agree(drawn, oracles.kmeans_plus_plus_probs(POINTS_N_D, LARGEST, 3))


def test_scikit_learn_draws_the_same_distribution_after_the_first_centre() -> None:
    random = np.random.RandomState(0)
    theirs: list[tuple[int, ...]] = []
    while len(theirs) < 800:
        _, batch = sklearn_kmeans_plus_plus(POINTS_N_D, 3, n_local_trials=1, random_state=random)
        if batch[0] == LARGEST:
            theirs.append(tuple(batch.tolist()))
    points, generator = torch.from_numpy(POINTS_N_D), seeded(1)
    ours = [tuple(seeding(points, 3, generator)[0].tolist()) for _ in range(800)]
    batches = sorted({*ours, *theirs}, key=lambda batch: -ours.count(batch) - theirs.count(batch))
    common = [batch for batch in batches if ours.count(batch) + theirs.count(batch) >= 20]
    rest = [[len(drawn) - sum(drawn.count(batch) for batch in common)] for drawn in (ours, theirs)]
    table = [[drawn.count(batch) for batch in common] + more for drawn, more in zip((ours, theirs), rest, strict=True)]
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_distances_are_to_the_nearest_earlier_centre_and_the_first_is_the_norm() -> None:
    positions_B, distances_B = seeding(torch.from_numpy(POINTS_N_D), 6, seeded(2))
    chosen = POINTS_N_D[positions_B.numpy()]
    expected = [min(math.dist(chosen[place], other) for other in chosen[:place]) for place in range(1, 6)]
    assert distances_B.tolist() == pytest.approx([math.hypot(*chosen[0]), *expected], abs=1e-12)


def test_all_points_can_be_drawn() -> None:
    for seed in range(10):
        assert sorted(seeding(torch.from_numpy(POINTS_N_D), 6, seeded(seed))[0].tolist()) == list(range(6))


def test_a_twin_of_a_centre_is_taken_only_after_all_other_points() -> None:
    places = torch.tensor([[9.0, 1 / 3], [0.1, 0.7], [-1 / 7, 0.2]], dtype=torch.float64).repeat(3, 1)
    for seed in range(30):
        chosen = seeding(places, 5, seeded(seed))[0].tolist()
        assert chosen[0] == 0
        assert {position % 3 for position in chosen[:3]} == {0, 1, 2}
        assert len(set(chosen)) == 5


@pytest.mark.parametrize("value", [0.0, 1 / 3, 1e10])
def test_equal_points_are_drawn_uniformly_after_the_first(value: float) -> None:
    equal, generator = torch.full((4, 7), value, dtype=torch.float64), seeded(0)
    drawn = [tuple(seeding(equal, 3, generator)[0].tolist()) for _ in range(1500)]
    assert agree(drawn, {(0, i, j): 1 / 6 for i in (1, 2, 3) for j in (1, 2, 3) if i != j})


def test_ties_of_the_largest_norm_go_to_the_lower_position() -> None:
    points = torch.tensor([[1.0], [-2.0], [2.0], [-2.0]], dtype=torch.float64)
    assert {int(seeding(points, 1, seeded(seed))[0]) for seed in range(20)} == {1}


def test_the_error_for_a_nan_norm_names_the_point() -> None:
    points = torch.ones(5, 2, dtype=torch.float64)
    points[3, 1] = torch.nan
    with pytest.raises(NumericalError, match=r"norm of point 3\b"):
        seeding(points, 2, seeded(0))


def test_the_same_centres_are_drawn_on_every_device(device: torch.device) -> None:
    points = torch.randn(200, 5, generator=seeded(0), dtype=torch.float64)
    there, here = seeding(points.to(device), 20, seeded(1)), seeding(points, 20, seeded(1))
    assert there[0].device.type == there[1].device.type == device.type
    assert there[0].tolist() == here[0].tolist()
