"""Entropies and BALD compared with their definitions, computed in plain Python from probabilities."""

import math
from collections.abc import Callable

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from softal_bench.bayes import information
from softal_bench.errors import NumericalError

Score = Callable[[Tensor], Tensor]
Oracle = Callable[[oracles.Array], float]

SCORES: list[tuple[Score, Oracle]] = [
    (information.entropy, oracles.predictive_entropy),
    (information.conditional_entropy, oracles.conditional_entropy),
    (information.bald, oracles.bald),
    (information.variation_ratios, oracles.variation_ratio),
    (information.mean_std, oracles.mean_std),
]
each_score = pytest.mark.parametrize(("score", "oracle"), SCORES, ids=[score.__name__ for score, _ in SCORES])


def prediction(kind: str, num_classes: int, rng: np.random.Generator) -> oracles.Array:
    """Return one row of log-probs: ordinary, one-hot (-inf elsewhere), uniform, or with tiny probabilities."""
    if kind == "one-hot":
        sure = np.full(num_classes, -np.inf)
        sure[rng.integers(num_classes)] = 0.0
        return sure
    if kind == "uniform":
        return np.full(num_classes, -math.log(num_classes))
    spread = {"ordinary": 2.0, "tiny": 300.0}[kind]
    logits = rng.normal(size=num_classes) * spread
    shifted = logits - logits.max()
    normalised: oracles.Array = shifted - math.log(np.exp(shifted).sum())
    return normalised


@st.composite
def pools(draw: st.DrawFn) -> Tensor:
    """Draw log_probs_N_K_C of any shape and floating dtype, with extreme predictions among ordinary ones."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(2, 6)))
    kinds = draw(st.lists(st.sampled_from(["ordinary", "one-hot", "uniform", "tiny"]), min_size=1, max_size=6))
    dtype = draw(st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = [prediction(kinds[i % len(kinds)], shape[2], rng) for i in range(shape[0] * shape[1])]
    return torch.tensor(np.array(rows)).reshape(shape).to(dtype)


@each_score
@given(log_probs_N_K_C=pools())
def test_each_score_matches_its_definition(score: Score, oracle: Oracle, log_probs_N_K_C: Tensor) -> None:
    upper = math.log(log_probs_N_K_C.shape[2])
    expected = [min(max(oracle(point), 0.0), upper) for point in oracles.probs_of(log_probs_N_K_C)]

    scores_N = score(log_probs_N_K_C)

    # Rounded probabilities do not sum to 1, so that 1 - max may exceed its bound and is clamped.
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-7}.get(log_probs_N_K_C.dtype, 2e-2)
    assert scores_N.dtype == torch.float64
    assert scores_N.tolist() == pytest.approx(expected, abs=tolerance)


@given(log_probs_N_K_C=pools())
def test_scores_are_within_bounds(log_probs_N_K_C: Tensor) -> None:
    num_samples, num_classes = log_probs_N_K_C.shape[1:]
    exact = log_probs_N_K_C.dtype == torch.float64
    for score, upper in [
        (information.entropy, math.log(num_classes)),
        (information.conditional_entropy, math.log(num_classes)),
        (information.bald, math.log(min(num_samples, num_classes)) + 1e-12 if exact else math.log(num_classes)),
        (information.variation_ratios, 1 - 1 / num_classes),
        (information.mean_std, math.sqrt(num_classes - 1) / num_classes),
    ]:
        scores_N = score(log_probs_N_K_C)
        assert scores_N.min() >= 0
        assert scores_N.max() <= upper


@given(log_probs_N_K_C=pools())
def test_bald_is_the_entropy_minus_the_conditional_entropy(log_probs_N_K_C: Tensor) -> None:
    difference_N = information.entropy(log_probs_N_K_C) - information.conditional_entropy(log_probs_N_K_C)
    tolerance = 100 * torch.finfo(log_probs_N_K_C.dtype).eps * math.log(6)
    torch.testing.assert_close(information.bald(log_probs_N_K_C), difference_N.clamp_min(0), atol=tolerance, rtol=0)


def test_certain_samples_that_disagree_have_the_maximum_bald() -> None:
    opposed = torch.eye(4).log().unsqueeze(0)  # four samples, each sure of a different class
    assert information.bald(opposed).item() == pytest.approx(math.log(4), abs=1e-15)
    assert information.conditional_entropy(opposed).item() == 0
    assert information.variation_ratios(opposed).item() == pytest.approx(0.75, abs=1e-15)
    assert information.mean_std(opposed).item() == pytest.approx(math.sqrt(3) / 4, abs=1e-15)  # the maximum


def test_bald_is_zero_if_samples_agree_even_if_uncertain() -> None:
    agreeing = torch.full((3, 7, 10), 0.1, dtype=torch.float32).log()
    assert information.bald(agreeing).tolist() == pytest.approx([0.0] * 3, abs=1e-12)
    assert information.mean_std(agreeing).tolist() == pytest.approx([0.0] * 3, abs=1e-15)
    assert information.entropy(agreeing).tolist() == pytest.approx([math.log(10)] * 3, abs=1e-6)


def test_nearly_certain_float32_predictions_give_no_negative_bald() -> None:
    logits = torch.randn(2000, 1, 10, generator=torch.Generator().manual_seed(0)) * 30
    jitter = torch.randn(2000, 20, 10, generator=torch.Generator().manual_seed(1)) * 1e-4
    assert information.bald((logits + jitter).log_softmax(dim=-1)).min() >= 0


@each_score
def test_float32_predictions_stored_in_float64_have_the_same_scores(score: Score, oracle: Oracle) -> None:
    undecided, opposed = torch.full((10, 10), 0.1), torch.eye(10) * (1 - 1e-6) + 1e-7
    log_probs_N_K_C = torch.stack([undecided.log(), opposed.log(), undecided.log().log_softmax(dim=-1)])
    torch.testing.assert_close(score(log_probs_N_K_C.double()), score(log_probs_N_K_C), atol=1e-6, rtol=0)


@each_score
@pytest.mark.parametrize("position", [0, 2, 4])
def test_the_error_for_a_nan_names_the_point(score: Score, oracle: Oracle, position: int) -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 5, 3, 4)
    log_probs_N_K_C[position, 1, 2] = torch.nan
    with pytest.raises(NumericalError, match=rf"point {position}\b"):
        score(log_probs_N_K_C)


@pytest.mark.parametrize("score", [information.entropy, information.conditional_entropy, information.variation_ratios])
def test_the_error_for_invalid_log_probs_names_the_point_and_the_bound(score: Score) -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 3, 2, 4)
    log_probs_N_K_C[1] = 0.5  # "probabilities" of 1.65 each
    with pytest.raises(NumericalError, match=r"point 1\b.*outside \[0, "):
        score(log_probs_N_K_C)


@each_score
def test_the_callers_log_probs_are_not_modified(score: Score, oracle: Oracle) -> None:
    for dtype in (torch.float64, torch.float32):
        log_probs_N_K_C = oracles.random_log_probs(3, 6, 4, 3).to(dtype)
        before = log_probs_N_K_C.clone()
        score(log_probs_N_K_C)
        assert torch.equal(log_probs_N_K_C, before)


@each_score
def test_scores_on_the_device_match_their_definitions(score: Score, oracle: Oracle, device: torch.device) -> None:
    log_probs_N_K_C = oracles.random_log_probs(5, 20, 6, 5)
    scores_N = score(log_probs_N_K_C.to(device))
    assert scores_N.device.type == device.type
    assert scores_N.tolist() == pytest.approx([oracle(point) for point in oracles.probs_of(log_probs_N_K_C)], abs=1e-12)


@given(log_probs_N_K_C=pools())
def test_bald_is_the_mean_of_the_terms_of_all_samples(log_probs_N_K_C: Tensor) -> None:
    num_samples = log_probs_N_K_C.shape[1]
    terms_N_K = information.bald_terms(log_probs_N_K_C, torch.arange(num_samples))
    tolerance = 100 * torch.finfo(log_probs_N_K_C.dtype).eps * math.log(6)
    torch.testing.assert_close(
        terms_N_K.mean(dim=1).clamp_min(0), information.bald(log_probs_N_K_C), atol=tolerance, rtol=0
    )


def test_a_samples_term_is_the_predictive_entropy_minus_its_own_entropy() -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 5, 4, 3)
    terms_N_S = information.bald_terms(log_probs_N_K_C, torch.tensor([2, 0, 2]))
    expected = [
        [oracles.predictive_entropy(point) - oracles.entropy_of(point[sample]) for sample in (2, 0, 2)]
        for point in oracles.probs_of(log_probs_N_K_C)
    ]
    assert terms_N_S.numpy() == pytest.approx(np.array(expected), abs=1e-12)
    assert min(map(min, expected)) < 0 < max(map(max, expected))


def test_the_mean_prediction_is_the_mean_over_samples() -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 5, 4, 3).float()
    expected = oracles.probs_of(log_probs_N_K_C).mean(axis=1)
    assert information.mean_probs(log_probs_N_K_C).numpy() == pytest.approx(expected, abs=1e-15)
