"""BatchBALD compared with the enumeration of all batches, and with full greedy search on the same draws."""

import math

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_pools import seeded, small_pools
from torch import Tensor

from softal_bench.bayes.batch_bald import batch_bald
from softal_bench.bayes.joint_entropy import Configurations, Points
from softal_bench.bayes.shortlist import Shortlist
from softal_bench.errors import NumericalError
from softal_bench.pools import TensorPool

ALL = 10**6  # more label configurations than any small batch has: joint entropies are exact


@given(log_probs_N_K_C=small_pools(), batch_size=st.integers(1, 3))
@settings(max_examples=80)
def test_each_point_of_batchbald_is_the_best_given_earlier_points(log_probs_N_K_C: Tensor, batch_size: int) -> None:
    batch_size = min(batch_size, len(log_probs_N_K_C))
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)

    positions_B, gains_B = batch_bald(TensorPool(log_probs_N_K_C), batch_size, ALL, seeded(0))

    batch = positions_B.tolist()
    assert len(set(batch)) == batch_size
    for step, (position, gain) in enumerate(zip(batch, gains_B.tolist(), strict=True)):
        before = oracles.mutual_information(probs_N_K_C[batch[:step]]) if step else 0.0
        others = [n for n in range(len(probs_N_K_C)) if n not in batch[:step]]
        gain_of = {n: oracles.mutual_information(probs_N_K_C[[*batch[:step], n]]) - before for n in others}
        assert gain == pytest.approx(gain_of[position], abs=1e-9)
        assert gain >= max(gain_of.values()) - 1e-9


@given(log_probs_N_K_C=small_pools(), batch_size=st.integers(1, 3))
def test_batchbald_reaches_1_minus_1_over_e_of_the_best_batch(log_probs_N_K_C: Tensor, batch_size: int) -> None:
    batch_size = min(batch_size, len(log_probs_N_K_C))
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)

    positions_B, gains_B = batch_bald(TensorPool(log_probs_N_K_C), batch_size, ALL, seeded(0))

    total = oracles.mutual_information(probs_N_K_C[positions_B.tolist()])
    assert gains_B.sum().item() == pytest.approx(total, abs=1e-9)
    assert total >= (1 - 1 / math.e) * oracles.best_batch_information(probs_N_K_C, batch_size) - 1e-9


def test_the_first_point_of_batchbald_has_the_largest_bald() -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 40, 5, 4)
    balds = [oracles.bald(point) for point in oracles.probs_of(log_probs_N_K_C)]
    positions_B, gains_B = batch_bald(TensorPool(log_probs_N_K_C), 1, ALL, seeded(0))
    assert positions_B.tolist() == [int(np.argmax(balds))]
    assert gains_B.item() == pytest.approx(max(balds), abs=1e-12)


def test_a_twin_is_not_taken_while_another_point_adds_more_information() -> None:
    # Points 0 and 1 are twins that distinguish samples 1, 2 from 3, 4; point 2 distinguishes odd from even, with noise.
    twin = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    other = [[0.8, 0.2], [0.2, 0.8], [0.8, 0.2], [0.2, 0.8]]
    positions_B, gains_B = batch_bald(TensorPool(torch.tensor([twin, twin, other]).log()), 3, ALL, seeded(0))
    assert positions_B.tolist() == [0, 2, 1]
    assert gains_B.tolist() == pytest.approx([math.log(2), oracles.bald(np.array(other)), 0.0], abs=1e-7)


@given(seed=st.integers(0, 2**32))
def test_a_noise_free_twin_is_taken_after_all_informative_points(seed: int) -> None:
    positions_B, gains_B = batch_bald(TensorPool(noise_free_twins(seed)), 5, ALL, seeded(seed))
    assert positions_B[0].item() == 0
    assert positions_B[-1].item() == 3
    assert gains_B[-1].item() == pytest.approx(0.0, abs=1e-9)


@given(seed=st.integers(0, 2**32))
def test_a_twin_does_not_follow_its_twin_in_a_sampled_search(seed: int) -> None:
    positions_B, _ = batch_bald(TensorPool(noise_free_twins(seed)), 5, 2, seeded(seed))
    assert positions_B[0].item() == 0
    assert positions_B[1].item() != 3


def noise_free_twins(seed: int) -> Tensor:
    """Return five points; the labels of 0 and 3 both reveal without noise which pair of the six samples is true."""
    probs_N_K_C = oracles.random_probs(np.random.default_rng(seed), 5, 6, 3, concentration=1.0)
    probs_N_K_C[[0, 3]] = np.eye(3)[[0, 0, 1, 1, 2, 2]]
    return torch.from_numpy(probs_N_K_C).log()


def test_equal_points_are_taken_in_order() -> None:
    point_1_K_C = oracles.random_log_probs(1, 1, 4, 3)
    positions_B, _ = batch_bald(TensorPool(point_1_K_C.repeat(6, 1, 1)), 3, ALL, seeded(0))
    assert positions_B.tolist() == [0, 1, 2]


def test_gains_of_a_large_batch_are_finite_and_decrease_to_zero() -> None:
    log_probs_N_K_C = oracles.random_log_probs(8, 120, 4, 10, concentration=1.0)
    positions_B, gains_B = batch_bald(TensorPool(log_probs_N_K_C), 120, 400, seeded(0))
    assert sorted(positions_B.tolist()) == list(range(120))
    assert gains_B.isfinite().all()
    assert gains_B[60:].abs().max() < 0.02
    assert gains_B.sum().item() == pytest.approx(math.log(4), abs=0.15)


def test_the_same_generator_state_gives_the_same_sampled_batch() -> None:
    log_probs_N_K_C = oracles.random_log_probs(9, 30, 4, 4)
    first, again = (batch_bald(TensorPool(log_probs_N_K_C), 6, 16, seeded(3)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_a_sampled_search_finds_nearly_as_good_a_batch_as_the_exact_one() -> None:
    log_probs_N_K_C = oracles.random_log_probs(10, 12, 5, 3)
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    exact, _ = batch_bald(TensorPool(log_probs_N_K_C), 5, ALL, seeded(0))
    sampled, _ = batch_bald(TensorPool(log_probs_N_K_C), 5, 100, seeded(0))
    reached = oracles.mutual_information(probs_N_K_C[sampled.tolist()])
    assert reached >= 0.97 * oracles.mutual_information(probs_N_K_C[exact.tolist()])


def test_the_error_for_a_nan_names_the_point() -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 6, 3, 4)
    log_probs_N_K_C[4, 1, 2] = torch.nan
    with pytest.raises(NumericalError, match=r"point 4\b"):
        batch_bald(TensorPool(log_probs_N_K_C), 2, ALL, seeded(0))


def test_batchbald_on_the_device_matches_its_definition(device: torch.device) -> None:
    log_probs_N_K_C = oracles.random_log_probs(11, 8, 4, 3)
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    positions_B, gains_B = batch_bald(TensorPool(log_probs_N_K_C.to(device)), 3, ALL, seeded(0))
    assert positions_B.device.type == gains_B.device.type == device.type
    batch: list[int] = []
    for position in positions_B.tolist():
        best = max(range(8), key=lambda n: -1.0 if n in batch else oracles.mutual_information(probs_N_K_C[[*batch, n]]))
        assert position == best
        batch.append(position)


def confident_log_probs(seed: int, *shape: int) -> Tensor:
    """Return points of which most are sure of one class in all samples, as in a pool; a few distinguish samples."""
    generator = seeded(seed)
    logits = 3 * torch.randn(*shape, generator=generator) + 6 * torch.randn(shape[0], 1, shape[2], generator=generator)
    return logits.log_softmax(dim=-1)


def shortfalls(log_probs_N_K_C: Tensor, batch_size: int, max_configurations: int, seed: int) -> list[float]:
    """Return, for each sampled step, how far its gain is below the best one of full greedy search on the same draws."""
    pool = TensorPool(log_probs_N_K_C, chunk_size=50)
    positions_B, gains_B = batch_bald(pool, batch_size, max_configurations, seeded(seed))
    generator, points = seeded(seed), Points.of(log_probs_N_K_C)
    configurations = Configurations.empty(log_probs_N_K_C.shape[1], log_probs_N_K_C.device)
    lost = []
    for step, position in enumerate(positions_B.tolist()):
        gain_N = configurations.information(points)
        assert gains_B[step].item() == pytest.approx(gain_N[position].item(), abs=1e-12)
        gain_N[positions_B[:step]] = -torch.inf
        if configurations.rows_M is not None:
            lost.append((gain_N.max() - gain_N[position]).item())
        configurations = configurations.extended(log_probs_N_K_C[position], max_configurations, generator)
    return lost


def test_sampled_steps_match_full_greedy_search_on_the_same_draws() -> None:
    lost = [
        shortfall
        for seed, samples in enumerate([5, 10, 20, 40] * 4)
        for shortfall in shortfalls(confident_log_probs(seed, 400, samples, 4), 20, 10 * samples, seed)
    ]
    assert len(lost) >= 200
    assert max(lost) <= 1e-11


@given(log_probs_N_K_C=small_pools(), budget_points=st.integers(0, 4), chunk_size=st.integers(1, 4))
@settings(max_examples=80)
def test_the_shortlist_returns_the_log_probs_of_the_pool_at_any_budget(
    log_probs_N_K_C: Tensor, budget_points: int, chunk_size: int
) -> None:
    pool = ReadsCounted(log_probs_N_K_C, chunk_size=chunk_size)
    scores_N = torch.rand(len(log_probs_N_K_C), generator=seeded(0), dtype=torch.float64)
    shortlist = Shortlist(pool, budget_bytes=budget_points * log_probs_N_K_C[0].numel() * 8)
    for positions_n, log_probs_n_K_C in pool.log_probs():
        shortlist.offer(positions_n, log_probs_n_K_C, scores_N[positions_n])

    found = shortlist.points(torch.arange(pool.size))

    expected = Points.of(log_probs_N_K_C)
    assert torch.equal(found.probs_n_C_K, expected.probs_n_C_K)
    assert torch.equal(found.conditional_n_K, expected.conditional_n_K)
    kept = set(scores_N.topk(min(budget_points, pool.size)).indices.tolist())
    assert set(pool.read) == set(range(pool.size)) - kept


class ReadsCounted(TensorPool):
    """A pool that records the positions that were read individually."""

    def __init__(self, log_probs_N_K_C: Tensor, chunk_size: int) -> None:
        super().__init__(log_probs_N_K_C, chunk_size)
        self.read: list[int] = []

    def log_probs_at(self, positions: Tensor) -> Tensor:
        self.read += positions.tolist()
        return super().log_probs_at(positions)


def test_only_chosen_points_are_read_again_if_the_pool_fits_the_budget() -> None:
    pool = ReadsCounted(confident_log_probs(0, 500, 10, 5), chunk_size=64)
    positions_B, _ = batch_bald(pool, 8, 200, seeded(0))
    assert pool.read == positions_B[:-1].tolist()


def test_points_that_add_no_information_are_taken_in_order() -> None:
    # Point 2 distinguishes all four samples without noise, so that no other point adds information after it.
    probs_N_K_C = oracles.random_probs(np.random.default_rng(0), 6, 4, 4, concentration=1.0)
    probs_N_K_C[2] = np.eye(4)
    positions_B, gains_B = batch_bald(TensorPool(torch.from_numpy(probs_N_K_C).log()), 6, ALL, seeded(0))
    assert positions_B.tolist() == [2, 0, 1, 3, 4, 5]
    assert gains_B.tolist() == pytest.approx([math.log(4), 0, 0, 0, 0, 0], abs=1e-12)
