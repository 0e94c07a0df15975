"""EPIG compared with enumeration of all pairs of labels, its bounds, and cases with a closed form."""

import math

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from softal_bench.bayes import information
from softal_bench.bayes.epig import epig
from softal_bench.errors import NumericalError


@st.composite
def pools_with_targets(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Draw log-probs of points and targets under the same samples, nearly one-hot to nearly uniform, some one-hot."""
    num_points, num_targets = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    num_samples, num_classes = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    concentration = draw(st.sampled_from([0.05, 0.5, 50.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    probs = oracles.random_probs(rng, num_points + num_targets, num_samples, num_classes, concentration=concentration)
    if draw(st.booleans()):
        probs[rng.integers(len(probs))] = np.eye(num_classes)[rng.integers(num_classes, size=num_samples)]
    with np.errstate(divide="ignore"):
        log_probs = torch.from_numpy(np.log(probs)).to(draw(st.sampled_from([torch.float32, torch.float64])))
    return log_probs[:num_points], log_probs[num_points:]


@given(pools_with_targets())
def test_epig_matches_its_definition(given_log_probs: tuple[Tensor, Tensor]) -> None:
    log_probs_N_K_C, target_log_probs_M_K_C = given_log_probs
    targets = oracles.probs_of(target_log_probs_M_K_C)
    expected = [oracles.epig(point, targets) for point in oracles.probs_of(log_probs_N_K_C)]
    scores_N = epig(log_probs_N_K_C, target_log_probs_M_K_C)
    assert scores_N.dtype == torch.float64
    tolerance = 1e-12 if log_probs_N_K_C.dtype == torch.float64 else 1e-6
    assert scores_N.tolist() == pytest.approx([max(value, 0.0) for value in expected], abs=tolerance)


@given(pools_with_targets())
def test_epig_is_at_most_bald_and_the_entropies_of_the_point_and_targets(
    given_log_probs: tuple[Tensor, Tensor],
) -> None:
    log_probs_N_K_C, target_log_probs_M_K_C = (log_probs.double() for log_probs in given_log_probs)
    scores_N = epig(log_probs_N_K_C, target_log_probs_M_K_C)
    slack = 1e-12 if given_log_probs[0].dtype == torch.float64 else 1e-5
    assert (scores_N >= 0).all()
    assert (scores_N <= information.entropy(log_probs_N_K_C) + slack).all()
    assert (scores_N <= information.entropy(target_log_probs_M_K_C).mean() + slack).all()
    assert (scores_N <= information.bald(log_probs_N_K_C) + slack).all()  # only the weights link y* and y


def test_epig_of_a_point_about_itself_is_its_entropy_if_samples_are_certain() -> None:
    sure = torch.eye(3)[[0, 1, 1, 2]].log().unsqueeze(0)
    entropy = information.entropy(sure).item()
    assert epig(sure, sure).item() == pytest.approx(entropy, abs=1e-15)
    assert information.bald(sure).item() == pytest.approx(entropy, abs=1e-15)


@pytest.mark.parametrize("agreeing", ["point", "targets"])
def test_epig_is_zero_if_all_samples_agree_at_the_point_or_the_targets(agreeing: str) -> None:
    varied, agreed = oracles.random_log_probs(0, 4, 6, 3), oracles.random_log_probs(1, 4, 1, 3).expand(4, 6, 3)
    scores_N = epig(agreed, varied) if agreeing == "point" else epig(varied, agreed)
    assert scores_N.tolist() == pytest.approx([0.0] * 4, abs=1e-15)


def test_epig_is_zero_and_bald_is_not_if_samples_vary_independently_at_point_and_target() -> None:
    first, second = torch.eye(2)[[0, 0, 1, 1]].log(), torch.eye(2)[[0, 1, 0, 1]].log()
    assert epig(first.unsqueeze(0), second.unsqueeze(0)).item() == pytest.approx(0, abs=1e-15)
    assert epig(first.unsqueeze(0), torch.stack([first, second])).item() == pytest.approx(math.log(2) / 2, abs=1e-15)
    assert information.bald(first.unsqueeze(0)).item() == pytest.approx(math.log(2), abs=1e-15)


def test_epig_is_symmetric_in_the_point_and_a_single_target() -> None:
    first, second = oracles.random_log_probs(0, 1, 7, 4), oracles.random_log_probs(1, 1, 7, 4)
    assert epig(first, second).item() == pytest.approx(epig(second, first).item(), abs=1e-15)


def test_nearly_certain_float32_predictions_give_no_negative_epig() -> None:
    logits = torch.randn(300, 1, 10, generator=torch.Generator().manual_seed(0)) * 30
    jitter = torch.randn(300, 20, 10, generator=torch.Generator().manual_seed(1)) * 1e-4
    log_probs_N_K_C = (logits + jitter).log_softmax(dim=-1)
    scores_N = epig(log_probs_N_K_C[:200], log_probs_N_K_C[200:])
    assert scores_N.min() >= 0
    assert (
        scores_N <= information.bald(log_probs_N_K_C[:200]) + 1e-13
    ).all()  # rounding in float32 leaves no remainder


def test_blocks_and_target_order_do_not_change_epig() -> None:
    log_probs_N_K_C, targets = oracles.random_log_probs(0, 700, 3, 4), oracles.random_log_probs(1, 600, 3, 4)
    whole = epig(log_probs_N_K_C, targets)
    parts = torch.cat([epig(log_probs_n_K_C, targets.flip(0)) for log_probs_n_K_C in torch.split(log_probs_N_K_C, 77)])
    torch.testing.assert_close(parts, whole, atol=1e-13, rtol=0)
    few = epig(log_probs_N_K_C[:3], targets[:5]).tolist()
    probs = oracles.probs_of(targets[:5])
    assert few == pytest.approx([oracles.epig(point, probs) for point in oracles.probs_of(log_probs_N_K_C[:3])])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_inputs_are_not_modified(dtype: torch.dtype) -> None:
    given_log_probs = oracles.random_log_probs(0, 6, 3, 4).to(dtype)
    before = given_log_probs.clone()
    epig(given_log_probs[:4], given_log_probs[4:])
    assert torch.equal(given_log_probs, before)


@pytest.mark.parametrize("position", [0, 3])
def test_the_error_for_a_nan_names_the_point_or_the_target(position: int) -> None:
    sound, broken = oracles.random_log_probs(0, 5, 3, 4), oracles.random_log_probs(1, 5, 3, 4)
    broken[position, 1, 2] = torch.nan
    with pytest.raises(NumericalError, match=rf"EPIG of point {position}\b"):
        epig(broken, sound)
    with pytest.raises(NumericalError, match=rf"^the prediction at target {position} is NaN$"):
        epig(sound, broken)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 5, 4), (2, 3, 5)])
def test_the_error_for_mismatched_targets_names_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"\({shape[0]}, {shape[1]}, {shape[2]}\).*\(2, 3, 4\)"):
        epig(oracles.random_log_probs(0, 2, 3, 4), torch.zeros(shape))


def test_epig_on_the_device_matches_its_definition(device: torch.device) -> None:
    log_probs_N_K_C, targets = oracles.random_log_probs(0, 20, 6, 5), oracles.random_log_probs(1, 7, 6, 5)
    scores_N = epig(log_probs_N_K_C.to(device), targets.to(device))
    expected = [oracles.epig(point, oracles.probs_of(targets)) for point in oracles.probs_of(log_probs_N_K_C)]
    assert scores_N.device.type == device.type
    assert scores_N.tolist() == pytest.approx(expected, abs=1e-12)
