"""k-center greedy compared with brute force, and its guarantee of twice the optimum compared with enumeration."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from torch import Tensor

from softal_bench.bayes import centres
from softal_bench.bayes.centres import k_center_greedy
from softal_bench.errors import NumericalError


def brute_force(points_N_D: np.ndarray, labelled_L_D: np.ndarray, batch_size: int) -> tuple[list[int], list[float]]:
    """Run the same greedy search on the whole matrix of distances."""
    centres = list(labelled_L_D)
    positions: list[int] = []
    distances: list[float] = []
    for _ in range(batch_size):
        nearest_N = cdist(points_N_D, np.array(centres)).min(axis=1) if centres else np.full(len(points_N_D), np.inf)
        nearest_N[positions] = -1
        positions.append(int(nearest_N.argmax()))
        distances.append(float(nearest_N.max()))
        centres.append(points_N_D[positions[-1]])
    return positions, distances


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("num_labelled", [0, 1, 40])
@pytest.mark.parametrize("num_points", [1, 30, 150])
def test_it_matches_greedy_search_over_all_distances(num_points: int, num_labelled: int, device: torch.device) -> None:
    points, labelled, batch_size = normal(0, num_points, 6), normal(1, num_labelled, 6), min(num_points, 20)
    positions_B, distances_B = k_center_greedy(points.to(device), labelled.to(device), batch_size)
    expected_positions, expected_distances = brute_force(points.numpy(), labelled.numpy(), batch_size)
    assert positions_B.tolist() == expected_positions
    assert distances_B.tolist() == pytest.approx(expected_distances, abs=1e-12)
    assert positions_B.device.type == distances_B.device.type == device.type


def test_blocks_of_points_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    points, labelled = normal(0, 50, 3), normal(1, 30, 3)
    whole = k_center_greedy(points, labelled, 10)
    monkeypatch.setattr(centres, "block_elements", lambda device: 50)  # 7 of each at a time
    parts = k_center_greedy(points, labelled, 10)
    assert parts[0].tolist() == whole[0].tolist()
    torch.testing.assert_close(parts[1], whole[1], atol=1e-13, rtol=0)


@given(seed=st.integers(0, 2**32), num_labelled=st.integers(0, 3), batch_size=st.integers(1, 3))
def test_the_remaining_distance_is_at_most_twice_the_optimum(seed: int, num_labelled: int, batch_size: int) -> None:
    rng = np.random.default_rng(seed)
    points, labelled = rng.normal(size=(9, 2)) * rng.exponential(size=(9, 1)), rng.normal(size=(num_labelled, 2))

    def left(batch: tuple[int, ...]) -> float:
        return float(cdist(points, np.concatenate([labelled, points[list(batch)]])).min(axis=1).max())

    best = min(left(batch) for batch in itertools.combinations(range(9), batch_size))
    positions_B, _ = k_center_greedy(torch.from_numpy(points), torch.from_numpy(labelled), batch_size)
    assert left(tuple(positions_B.tolist())) <= 2 * best + 1e-12


def test_position_0_is_taken_first_if_no_point_is_labelled() -> None:
    positions_B, distances_B = k_center_greedy(normal(0, 8, 2), torch.empty(0, 2), 3)
    assert positions_B[0] == 0
    assert distances_B[0] == torch.inf
    assert distances_B[1:].isfinite().all()


def test_ties_go_to_the_lower_position_and_twins_of_centres_are_taken_last() -> None:
    corner, middle = torch.tensor([1 / 3, 0.7, 1e3]), torch.tensor([[0.0, 0.0, 1e3]])
    points = torch.stack([middle[0], corner, -corner, corner, middle[0]])
    positions_B, distances_B = k_center_greedy(points, middle, 5)
    assert positions_B.tolist() == [2, 1, 0, 3, 4]
    assert distances_B[2:].tolist() == [0, 0, 0]


def test_small_distances_are_exact_far_from_the_origin() -> None:
    points = torch.tensor([[1e6, 1.0], [1e6, 1.5], [1e6, 1.25]])
    positions_B, distances_B = k_center_greedy(points, points[:1], 2)
    assert positions_B.tolist() == [1, 2]
    assert distances_B.tolist() == [0.5, 0.25]


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_the_error_for_an_embedding_that_is_not_finite_names_the_point(value: float) -> None:
    sound, broken = normal(0, 5, 2), normal(1, 5, 2)
    broken[3, 0] = value
    with pytest.raises(NumericalError, match=r"^the embedding.* of point 3\b"):
        k_center_greedy(broken, sound, 1)
    with pytest.raises(NumericalError, match=r"^the labelled embedding.* of point 3\b"):
        k_center_greedy(sound, broken, 1)


def test_inputs_are_not_modified() -> None:
    points, labelled = normal(0, 5, 2), normal(1, 5, 2)
    before = points.clone(), labelled.clone()
    k_center_greedy(points, labelled, 5)
    assert torch.equal(points, before[0])
    assert torch.equal(labelled, before[1])
