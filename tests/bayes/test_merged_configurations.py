"""The lower bound of the added information, compared with enumeration and with the configurations that it merges."""

import math

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_pools import seeded
from torch import Tensor

from softal_bench.bayes.joint_entropy import Configurations, MergedConfigurations, Points

ALL = 10**6  # more label configurations than any small batch has: joint entropies are exact


def configurations_of(log_probs_B_K_C: Tensor, max_configurations: int, seed: int) -> Configurations:
    configurations, generator = Configurations.empty(log_probs_B_K_C.shape[1], torch.device("cpu")), seeded(seed)
    for log_probs_K_C in log_probs_B_K_C:
        configurations = configurations.extended(log_probs_K_C, max_configurations, generator)
    return configurations


@given(
    seed=st.integers(0, 2**32),
    num_samples=st.integers(1, 7),
    num_classes=st.integers(2, 3),
    batch_size=st.integers(0, 4),
    concentration=st.sampled_from([0.02, 0.3, 3.0]),
    one_hot=st.booleans(),
)
@settings(max_examples=80)
def test_exact_information_lies_between_the_bounds_from_merged_configurations(
    seed: int, num_samples: int, num_classes: int, batch_size: int, concentration: float, one_hot: bool
) -> None:
    rng = np.random.default_rng(seed)
    probs_N_K_C = oracles.random_probs(rng, batch_size + 2, num_samples, num_classes, concentration=concentration)
    if one_hot:
        probs_N_K_C[[0, -1]] = np.eye(num_classes)[rng.integers(num_classes, size=(2, num_samples))]
    with np.errstate(divide="ignore"):
        log_probs_N_K_C = torch.from_numpy(np.log(probs_N_K_C))
    configurations = configurations_of(log_probs_N_K_C[:batch_size], ALL, seed)
    candidates = range(len(probs_N_K_C))

    lower_N = MergedConfigurations.of(configurations).information(Points.of(log_probs_N_K_C))
    upper_N = configurations.coarser(1).information(Points.of(log_probs_N_K_C))

    batch = list(range(batch_size))
    before = oracles.mutual_information(probs_N_K_C[batch]) if batch else 0.0
    # A point of the batch is a valid candidate: its label is then drawn a second time.
    exact = [oracles.mutual_information(probs_N_K_C[[*batch, n]]) - before for n in candidates]
    assert (lower_N >= 0).all()
    for lower, information, upper in zip(lower_N.tolist(), exact, upper_N.tolist(), strict=True):
        assert lower <= information + 1e-11
        assert information <= upper + 1e-11


@given(seed=st.integers(0, 2**32), num_samples=st.sampled_from([2, 5, 20]), drawn=st.sampled_from([40, 400]))
def test_the_lower_bound_holds_for_the_same_draws(seed: int, num_samples: int, drawn: int) -> None:
    log_probs_N_K_C = oracles.random_log_probs(seed, 30, num_samples, 4)
    points = Points.of(log_probs_N_K_C)
    configurations = configurations_of(log_probs_N_K_C[:6], drawn, seed)
    assert configurations.rows_M is not None

    lower_N = MergedConfigurations.of(configurations).information(points)

    assert (lower_N <= configurations.information(points)).all()


def test_the_bound_is_tight_if_merged_configurations_are_equal() -> None:
    posterior_2_K = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=torch.float64)
    weights_D = torch.tensor([0.1, 0.3, 0.2, 0.4], dtype=torch.float64)
    configurations = Configurations(weights_D, posterior_2_K[[0, 1, 0, 1]])
    points = Points.of(oracles.random_log_probs(0, 10, 3, 4))

    lower_N = MergedConfigurations.of(configurations).information(points)

    assert torch.allclose(lower_N, configurations.information(points), rtol=0, atol=2e-12)


@pytest.mark.parametrize("others", [3, 6, 12])
def test_the_variance_in_discarded_directions_is_not_underestimated(others: int) -> None:
    # All configurations are in one cell: configuration m leaves sample 0 and sample m, and the label of the point names
    # the sample. Each label is impossible or has one probability, so that the bound is exact for the true variance and
    # too large for a smaller one. The covariance has others - 1 equal eigenvalues; with 3 others, all are kept.
    same_D_1 = torch.full((others, 1), 0.51, dtype=torch.float64)
    configurations = Configurations(
        torch.full((others,), 1 / others, dtype=torch.float64),
        torch.cat([same_D_1, 0.49 * torch.eye(others, dtype=torch.float64)], dim=1),
    )
    points = Points.of(torch.eye(others + 1, dtype=torch.float64).log().unsqueeze(0))

    lower = MergedConfigurations.of(configurations).information(points).item()

    entropy = -0.51 * math.log(0.51) - 0.49 * math.log(0.49)
    assert 0.6 * entropy < lower <= entropy
    if others == 3:
        assert lower == pytest.approx(entropy, abs=1e-9)


def test_the_true_value_is_about_midway_between_the_bounds_of_similar_configurations() -> None:
    # All directions are kept at K = 3, so that E[q²] is exact.
    samples_3_K = torch.full((3, 3), 0.2, dtype=torch.float64).fill_diagonal_(0.6)
    noise_D_K = 0.02 * torch.rand(120, 3, dtype=torch.float64, generator=seeded(0))
    posterior_D_K = samples_3_K.repeat(40, 1) + noise_D_K
    posterior_D_K /= posterior_D_K.sum(dim=1, keepdim=True)
    configurations = Configurations(torch.full((120,), 1 / 120, dtype=torch.float64), posterior_D_K)
    points = Points.of(oracles.random_log_probs(0, 20, 3, 4, concentration=3.0))

    information_N = configurations.information(points)
    below_N = information_N - MergedConfigurations.of(configurations).information(points)
    above_N = configurations.coarser(1).information(points) - information_N

    assert (above_N > 1e-8).all()
    assert (below_N / above_N).tolist() == pytest.approx([1.0] * 20, rel=0.05)


def test_the_bound_keeps_most_information_if_samples_outnumber_directions() -> None:
    log_probs_N_K_C = oracles.random_log_probs(3, 60, 20, 4, concentration=1.0)
    points = Points.of(log_probs_N_K_C)
    configurations = configurations_of(log_probs_N_K_C[:5], 2000, 0)
    assert MergedConfigurations.worth_it(configurations)
    information_N = configurations.information(points)
    lower_N = MergedConfigurations.of(configurations).information(points)
    assert (lower_N.sum() / information_N.sum()).item() > 0.5


def test_few_configurations_are_not_worth_merging() -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 2, 8, 4)
    assert not MergedConfigurations.worth_it(configurations_of(log_probs_N_K_C, ALL, 0))
