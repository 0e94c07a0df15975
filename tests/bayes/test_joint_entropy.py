"""Joint entropies and what a point adds to them, compared with the enumeration of all label configurations."""

import math
import statistics

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_pools import seeded, small_pools
from torch import Tensor

from softal_bench.bayes.joint_entropy import Configurations, Points

ALL = 10**6  # more label configurations than any small batch has: joint entropies are exact


def joint_entropy(log_probs_B_K_C: Tensor, max_configurations: int, generator: torch.Generator | None = None) -> Tensor:
    """Return H[Y_1..Y_B] by the chain rule, from what each point adds to the points before it."""
    generator = generator or torch.Generator()
    configurations = Configurations.empty(log_probs_B_K_C.shape[1], log_probs_B_K_C.device)
    total = torch.zeros((), dtype=torch.float64, device=log_probs_B_K_C.device)
    for log_probs_K_C in log_probs_B_K_C:
        total = total + configurations.added_entropy(Points.of(log_probs_K_C.unsqueeze(0)))[0]
        configurations = configurations.extended(log_probs_K_C, max_configurations, generator)
    return total


@given(log_probs_B_K_C=small_pools())
def test_the_joint_entropy_covers_all_label_configurations(log_probs_B_K_C: Tensor) -> None:
    expected = oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C))
    assert joint_entropy(log_probs_B_K_C, ALL).item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("max_configurations", [2, 30, 200])
def test_the_sampled_joint_entropy_is_unbiased(max_configurations: int) -> None:
    log_probs_B_K_C = oracles.random_log_probs(2, 5, 4, 4)
    exact = oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C))

    estimates = [joint_entropy(log_probs_B_K_C, max_configurations, seeded(seed)).item() for seed in range(300)]

    standard_error = statistics.stdev(estimates) / math.sqrt(len(estimates))
    assert standard_error > 0
    assert abs(statistics.fmean(estimates) - exact) < 4 * standard_error


def test_the_sampling_error_shrinks_with_the_square_root_of_the_configurations() -> None:
    log_probs_B_K_C = oracles.random_log_probs(2, 4, 4, 10)
    exact = oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C))

    def root_mean_square_error(max_configurations: int) -> float:
        errors = [
            joint_entropy(log_probs_B_K_C, max_configurations, seeded(seed)).item() - exact for seed in range(300)
        ]
        return math.sqrt(statistics.fmean(error**2 for error in errors))

    # Both are exact for one point (10 configurations) and sampled for two or more (100).
    assert root_mean_square_error(12) / root_mean_square_error(96) == pytest.approx(math.sqrt(8), rel=0.2)


def test_the_sampled_gains_of_all_points_are_unbiased_given_the_batch() -> None:
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
        added.append(configurations.added_entropy(Points.of(log_probs_N_K_C)).numpy())

    standard_error_N = np.std(added, axis=0, ddof=1) / math.sqrt(len(added))
    assert (np.abs(np.mean(added, axis=0) - exact_N) < 4 * standard_error_N).all()


def test_it_is_exact_and_draws_nothing_if_all_configurations_are_allowed() -> None:
    log_probs_B_K_C = oracles.random_log_probs(6, 4, 3, 3)
    generator = seeded(0)
    before = generator.get_state()
    value = joint_entropy(log_probs_B_K_C, 3**4, generator).item()
    assert value == pytest.approx(oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C)), abs=1e-12)
    assert torch.equal(generator.get_state(), before)


def test_the_entropy_is_correct_if_products_of_probabilities_underflow() -> None:
    # 400 points of 10 classes: a configuration has a probability of about 1e-400, below the smallest float64.
    undecided = torch.full((400, 3, 10), 0.1, dtype=torch.float64).log()
    assert joint_entropy(undecided, 300, seeded(0)).item() == pytest.approx(400 * math.log(10), rel=1e-12)


def test_a_large_batch_reveals_the_weights_and_no_more() -> None:
    log_probs_B_K_C = oracles.random_log_probs(7, 400, 3, 10, concentration=5.0)
    conditional = math.fsum(oracles.conditional_entropy(point) for point in oracles.probs_of(log_probs_B_K_C))
    information = joint_entropy(log_probs_B_K_C, 3000, seeded(0)).item() - conditional
    # H[Ω] = log 3 is reached; the noise of the estimate comes from the surprise of 3000 configurations over 400 points.
    assert information == pytest.approx(math.log(3), abs=0.1)


def test_the_sampled_joint_entropy_on_the_device_agrees_with_the_exact_one(device: torch.device) -> None:
    log_probs_B_K_C = oracles.random_log_probs(12, 5, 4, 4)
    exact = oracles.joint_entropy(oracles.probs_of(log_probs_B_K_C))
    estimates = [joint_entropy(log_probs_B_K_C.to(device), 60, seeded(seed)).item() for seed in range(30)]
    assert abs(statistics.fmean(estimates) - exact) < 4 * statistics.stdev(estimates) / math.sqrt(30)


def configurations_of(log_probs_B_K_C: Tensor, max_configurations: int, generator: torch.Generator) -> Configurations:
    configurations = Configurations.empty(log_probs_B_K_C.shape[1], log_probs_B_K_C.device)
    for log_probs_K_C in log_probs_B_K_C:
        configurations = configurations.extended(log_probs_K_C, max_configurations, generator)
    return configurations


@given(log_probs_N_K_C=small_pools(), batch_size=st.integers(0, 3))
def test_the_information_of_a_point_is_its_gain_over_the_batch(log_probs_N_K_C: Tensor, batch_size: int) -> None:
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    batch = list(range(min(batch_size, len(probs_N_K_C))))
    before = oracles.mutual_information(probs_N_K_C[batch]) if batch else 0.0
    expected = [oracles.mutual_information(probs_N_K_C[[*batch, n]]) - before for n in range(len(probs_N_K_C))]

    configurations = configurations_of(log_probs_N_K_C[batch], ALL, seeded(0))

    assert configurations.information(Points.of(log_probs_N_K_C)).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("max_configurations", [8, 24])
def test_the_sampled_information_is_unbiased_and_its_standard_error_covers_its_spread(
    max_configurations: int,
) -> None:
    log_probs_N_K_C = oracles.random_log_probs(14, 6, 4, 3)
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    batch = [0, 1, 2]
    before = oracles.mutual_information(probs_N_K_C[batch])
    exact_N = np.array([oracles.mutual_information(probs_N_K_C[[*batch, n]]) - before for n in range(6)])

    drawn = [configurations_of(log_probs_N_K_C[batch], max_configurations, seeded(seed)) for seed in range(400)]
    points = Points.of(log_probs_N_K_C)
    estimates = np.array([configurations.information(points).numpy() for configurations in drawn])
    claimed_N = np.array([configurations.standard_error(points).square().numpy() for configurations in drawn]).mean(0)

    spread_N = estimates.std(axis=0, ddof=1)
    assert (np.abs(estimates.mean(axis=0) - exact_N) < 4 * spread_N / math.sqrt(len(drawn))).all()
    # The mean is fitted to the same draws, so (M - 1) / M of the variance is left; 10 % cover the error of the spread.
    assert (np.sqrt(claimed_N * max_configurations / (max_configurations - 1)) >= 0.9 * spread_N).all()


def test_exact_information_has_no_standard_error() -> None:
    log_probs_N_K_C = oracles.random_log_probs(15, 5, 4, 3)
    configurations = configurations_of(log_probs_N_K_C[:2], ALL, seeded(0))
    assert configurations.standard_error(Points.of(log_probs_N_K_C)).tolist() == [0.0] * 5


@given(seed=st.integers(0, 2**32), parts=st.sampled_from([1, 2, 8]), max_configurations=st.sampled_from([30, ALL]))
def test_coarser_configurations_give_an_upper_bound_for_the_same_draws(
    seed: int, parts: int, max_configurations: int
) -> None:
    log_probs_N_K_C = oracles.random_log_probs(seed, 9, 5, 3)
    points = Points.of(log_probs_N_K_C)
    configurations = configurations_of(log_probs_N_K_C[:4], max_configurations, seeded(seed))

    coarse = configurations.coarser(parts)

    assert len(coarse.weights_D) <= 5 * parts
    assert coarse.weights_D.sum().item() == pytest.approx(1.0)
    assert (coarse.information(points) >= configurations.information(points) - 1e-12).all()
    conditional = configurations.weights_D @ configurations.posterior_D_K
    assert torch.allclose(coarse.weights_D @ coarse.posterior_D_K, conditional)


def test_equal_drawn_configurations_are_stored_once() -> None:
    sure = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64).log()
    configurations = configurations_of(torch.stack([sure] * 12), 3, seeded(0))
    assert configurations.rows_M is not None
    assert len(configurations.rows_M) == 4
    assert len(configurations.weights_D) == 2
    assert configurations.weights_D.tolist() == pytest.approx([0.5, 0.5])
