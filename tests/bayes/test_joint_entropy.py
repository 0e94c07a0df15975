"""Joint entropies and BatchBALD against the enumeration of all label configurations and of all batches."""

import math
import statistics

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from softal_bench.bayes.joint_entropy import Configurations, batch_bald, joint_entropy
from softal_bench.errors import NumericalError

ALL = 10**6  # more label configurations than any small batch has: joint entropies are exact


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@st.composite
def small_pools(draw: st.DrawFn) -> Tensor:
    """log_probs_N_K_C small enough for exhaustive search; some predictions are one-hot, some points are twins."""
    num_points, num_samples, num_classes = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(2, 3))
    concentration = draw(st.sampled_from([0.05, 0.5, 5.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    probs_N_K_C = oracles.random_probs(rng, num_points, num_samples, num_classes, concentration=concentration)
    if draw(st.booleans()):
        probs_N_K_C[0] = np.eye(num_classes)[rng.integers(num_classes, size=num_samples)]
    if draw(st.booleans()):
        probs_N_K_C[-1] = probs_N_K_C[0]
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.log(probs_N_K_C))


@given(log_probs_B_K_C=small_pools())
def test_the_joint_entropy_is_that_of_all_label_configurations(log_probs_B_K_C: Tensor) -> None:
    expected = oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C))
    assert joint_entropy(log_probs_B_K_C, ALL).item() == pytest.approx(expected, abs=1e-10)


@given(log_probs_N_K_C=small_pools(), batch_size=st.integers(1, 3))
@settings(max_examples=80)
def test_each_point_of_batchbald_is_the_best_given_those_before_it(log_probs_N_K_C: Tensor, batch_size: int) -> None:
    batch_size = min(batch_size, len(log_probs_N_K_C))
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)

    positions_B, gains_B = batch_bald(log_probs_N_K_C, batch_size, ALL, seeded(0))

    batch = positions_B.tolist()
    assert len(set(batch)) == batch_size
    for step, (position, gain) in enumerate(zip(batch, gains_B.tolist(), strict=True)):
        before = oracles.mutual_information(probs_N_K_C[batch[:step]]) if step else 0.0
        others = [n for n in range(len(probs_N_K_C)) if n not in batch[:step]]
        gain_of = {n: oracles.mutual_information(probs_N_K_C[[*batch[:step], n]]) - before for n in others}
        assert gain == pytest.approx(gain_of[position], abs=1e-9)
        assert gain >= max(gain_of.values()) - 1e-9


@given(log_probs_N_K_C=small_pools(), batch_size=st.integers(1, 3))
def test_batchbald_has_at_least_1_minus_1_over_e_of_the_best_batch(log_probs_N_K_C: Tensor, batch_size: int) -> None:
    batch_size = min(batch_size, len(log_probs_N_K_C))
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)

    positions_B, gains_B = batch_bald(log_probs_N_K_C, batch_size, ALL, seeded(0))

    total = oracles.mutual_information(probs_N_K_C[positions_B.tolist()])
    assert gains_B.sum().item() == pytest.approx(total, abs=1e-9)
    assert total >= (1 - 1 / math.e) * oracles.best_batch_information(probs_N_K_C, batch_size) - 1e-9


def test_the_first_point_of_batchbald_has_the_largest_bald() -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 40, 5, 4)
    balds = [oracles.bald(point) for point in oracles.probs_of(log_probs_N_K_C)]
    positions_B, gains_B = batch_bald(log_probs_N_K_C, 1, ALL, seeded(0))
    assert positions_B.tolist() == [int(np.argmax(balds))]
    assert gains_B.item() == pytest.approx(max(balds), abs=1e-12)


def test_a_twin_is_not_taken_after_its_twin_while_another_point_tells_more() -> None:
    # Points 0 and 1 are twins that tell samples 1, 2 from 3, 4; point 2 tells the odd from the even, with noise.
    twin = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    other = [[0.8, 0.2], [0.2, 0.8], [0.8, 0.2], [0.2, 0.8]]
    positions_B, gains_B = batch_bald(torch.tensor([twin, twin, other]).log(), 3, ALL, seeded(0))
    assert positions_B.tolist() == [0, 2, 1]
    assert gains_B.tolist() == pytest.approx([math.log(2), oracles.bald(np.array(other)), 0.0], abs=1e-7)


@given(seed=st.integers(0, 2**32))
def test_a_noise_free_twin_comes_after_everything_that_adds_information(seed: int) -> None:
    positions_B, gains_B = batch_bald(noise_free_twins(seed), 5, ALL, seeded(seed))
    assert positions_B[0].item() == 0
    assert positions_B[-1].item() == 3
    assert gains_B[-1].item() == pytest.approx(0.0, abs=1e-9)


@given(seed=st.integers(0, 2**32))
def test_a_twin_does_not_follow_its_twin_where_joint_entropies_are_sampled(seed: int) -> None:
    positions_B, _ = batch_bald(noise_free_twins(seed), 5, 2, seeded(seed))
    assert positions_B[0].item() == 0
    assert positions_B[1].item() != 3


def noise_free_twins(seed: int) -> Tensor:
    """Five points; the labels of 0 and 3 say, both without noise, which pair of the six samples is true."""
    probs_N_K_C = oracles.random_probs(np.random.default_rng(seed), 5, 6, 3, concentration=1.0)
    probs_N_K_C[[0, 3]] = np.eye(3)[[0, 0, 1, 1, 2, 2]]
    return torch.from_numpy(probs_N_K_C).log()


def test_equal_points_are_taken_by_position() -> None:
    point_1_K_C = oracles.random_log_probs(1, 1, 4, 3)
    positions_B, _ = batch_bald(point_1_K_C.repeat(6, 1, 1), 3, ALL, seeded(0))
    assert positions_B.tolist() == [0, 1, 2]


@pytest.mark.parametrize("max_configurations", [2, 30, 200])
def test_the_sampled_joint_entropy_is_unbiased(max_configurations: int) -> None:
    log_probs_B_K_C = oracles.random_log_probs(2, 5, 4, 4)
    exact = oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C))

    estimates = [joint_entropy(log_probs_B_K_C, max_configurations, seeded(seed)).item() for seed in range(300)]

    standard_error = statistics.stdev(estimates) / math.sqrt(len(estimates))
    assert standard_error > 0
    assert abs(statistics.fmean(estimates) - exact) < 4 * standard_error


def test_the_error_of_the_sampled_joint_entropy_shrinks_as_the_root_of_the_configurations() -> None:
    log_probs_B_K_C = oracles.random_log_probs(2, 4, 4, 10)
    exact = oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C))

    def root_mean_square_error(max_configurations: int) -> float:
        errors = [
            joint_entropy(log_probs_B_K_C, max_configurations, seeded(seed)).item() - exact for seed in range(300)
        ]
        return math.sqrt(statistics.fmean(error**2 for error in errors))

    # Both are exact for one point (10 configurations) and sampled from two on (100).
    assert root_mean_square_error(12) / root_mean_square_error(96) == pytest.approx(math.sqrt(8), rel=0.2)


def test_the_sampled_gains_of_all_points_are_unbiased_given_the_batch_so_far() -> None:
    log_probs_N_K_C = oracles.random_log_probs(4, 6, 4, 3)
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    batch = [0, 1, 2]
    before = oracles.joint_entropy(probs_N_K_C[batch])
    exact_N = np.array([oracles.joint_entropy(probs_N_K_C[[*batch, n]]) - before for n in range(6)])

    added = []
    for seed in range(300):
        generator = seeded(seed)
        configurations = Configurations.empty(4, torch.device("cpu"))
        for n in batch:
            configurations = configurations.extended(log_probs_N_K_C[n], 8, generator)
        added.append(configurations.added_entropy(log_probs_N_K_C).numpy())

    standard_error_N = np.std(added, axis=0, ddof=1) / math.sqrt(len(added))
    assert (np.abs(np.mean(added, axis=0) - exact_N) < 4 * standard_error_N).all()


def test_as_many_configurations_as_the_batch_has_make_it_exact_and_draw_nothing() -> None:
    log_probs_B_K_C = oracles.random_log_probs(6, 4, 3, 3)
    generator = seeded(0)
    before = generator.get_state()
    value = joint_entropy(log_probs_B_K_C, 3**4, generator).item()
    assert value == pytest.approx(oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C)), abs=1e-12)
    assert torch.equal(generator.get_state(), before)


def test_a_batch_whose_products_of_probabilities_underflow_has_its_right_entropy() -> None:
    # 400 points of 10 classes: a configuration has probability about 1e-400, below the smallest float64.
    undecided = torch.full((400, 3, 10), 0.1, dtype=torch.float64).log()
    assert joint_entropy(undecided, 300, seeded(0)).item() == pytest.approx(400 * math.log(10), rel=1e-12)


def test_a_batch_that_large_tells_all_about_the_weights_and_no_more() -> None:
    log_probs_B_K_C = oracles.random_log_probs(7, 400, 3, 10, concentration=5.0)
    conditional = math.fsum(oracles.conditional_entropy(point) for point in oracles.probs_of(log_probs_B_K_C))
    information = joint_entropy(log_probs_B_K_C, 3000, seeded(0)).item() - conditional
    # H[Ω] = log 3 is reached; the noise of the estimate is that of 3000 configurations' surprise along 400 points.
    assert information == pytest.approx(math.log(3), abs=0.1)


def test_greedy_search_over_a_large_batch_stays_finite_and_its_gains_die_out() -> None:
    log_probs_N_K_C = oracles.random_log_probs(8, 120, 4, 10, concentration=1.0)
    positions_B, gains_B = batch_bald(log_probs_N_K_C, 120, 400, seeded(0))
    assert sorted(positions_B.tolist()) == list(range(120))
    assert gains_B.isfinite().all()
    assert gains_B[60:].abs().max() < 0.02
    assert gains_B.sum().item() == pytest.approx(math.log(4), abs=0.15)


def test_the_same_generator_state_gives_the_same_sampled_batch() -> None:
    log_probs_N_K_C = oracles.random_log_probs(9, 30, 4, 4)
    first, again = (batch_bald(log_probs_N_K_C, 6, 16, seeded(3)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_a_sampled_search_finds_nearly_as_good_a_batch_as_the_exact_one() -> None:
    log_probs_N_K_C = oracles.random_log_probs(10, 12, 5, 3)
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    exact, _ = batch_bald(log_probs_N_K_C, 5, ALL, seeded(0))
    sampled, _ = batch_bald(log_probs_N_K_C, 5, 100, seeded(0))
    reached = oracles.mutual_information(probs_N_K_C[sampled.tolist()])
    assert reached >= 0.97 * oracles.mutual_information(probs_N_K_C[exact.tolist()])


def test_a_nan_is_an_error_that_names_the_point() -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 6, 3, 4)
    log_probs_N_K_C[4, 1, 2] = torch.nan
    with pytest.raises(NumericalError, match=r"point 4\b"):
        batch_bald(log_probs_N_K_C, 2, ALL, seeded(0))


def test_batchbald_on_the_device_takes_the_batch_of_the_definition(device: torch.device) -> None:
    log_probs_N_K_C = oracles.random_log_probs(11, 8, 4, 3)
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    positions_B, gains_B = batch_bald(log_probs_N_K_C.to(device), 3, ALL, seeded(0))
    assert positions_B.device.type == gains_B.device.type == device.type
    batch: list[int] = []
    for position in positions_B.tolist():
        best = max(range(8), key=lambda n: -1.0 if n in batch else oracles.mutual_information(probs_N_K_C[[*batch, n]]))
        assert position == best
        batch.append(position)


def test_the_sampled_joint_entropy_on_the_device_is_within_its_error_of_the_exact_one(device: torch.device) -> None:
    log_probs_B_K_C = oracles.random_log_probs(12, 5, 4, 4)
    exact = oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C))
    estimates = [joint_entropy(log_probs_B_K_C.to(device), 60, seeded(seed)).item() for seed in range(30)]
    assert abs(statistics.fmean(estimates) - exact) < 4 * statistics.stdev(estimates) / math.sqrt(30)
