"""Repeated timing of one call on a clock that the call advances: the number of samples and the spread they report."""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from softal_bench.cost.cell import num_samples, sample_seconds
from softal_bench.suite import Measurement

CPU = torch.device("cpu")
SECONDS = 0.1
NOISE = 0.05
TRUE_SPREAD = 2 * 0.6744897501960817 * NOISE  # (75 % - 25 % quantile) / median of a normal distribution
Call = Callable[[], None]


@pytest.fixture
def noisy_call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a call that takes 0.1 s with normal noise of 5 %."""
    now, draws = [0.0], np.random.default_rng(0)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def call() -> None:
        now[0] += SECONDS * (1 + NOISE * draws.standard_normal())

    return call


def spread(samples: list[float]) -> float:
    low, median, high = np.quantile(samples, [0.25, 0.5, 0.75])
    return float((high - low) / median)


def stopped_when_settled(call: Call) -> list[float]:
    """Follow the earlier rule: 5 to 100 samples, until (75 % - 25 % quantile) / median is at most 5 %."""
    samples: list[float] = []
    while len(samples) < 5 or (len(samples) < 100 and spread(samples) > 0.05):
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return samples


def test_the_reported_spread_is_correct_on_average(noisy_call: Call) -> None:
    measurement = Measurement(max_samples=30, max_seconds=10)
    spreads = [spread(sample_seconds(noisy_call, SECONDS, measurement, CPU)) for _ in range(1000)]
    error = np.std(spreads) / np.sqrt(len(spreads))
    # Quantiles of 30 samples, interpolated linearly, are 4 % too close together on average.
    assert np.mean(spreads) == pytest.approx(TRUE_SPREAD, abs=3 * error + 0.043 * TRUE_SPREAD)


def test_stopping_when_the_quartiles_settle_reports_too_small_a_spread(noisy_call: Call) -> None:
    """With the earlier rule the test above would fail: the reported spread is about 40 % too small."""
    spreads = [spread(stopped_when_settled(noisy_call)) for _ in range(1000)]
    assert np.mean(spreads) < 0.65 * TRUE_SPREAD


def test_the_number_of_samples_does_not_depend_on_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    now, measurement = [0.0], Measurement(max_samples=30, max_seconds=1.0)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    counts = []
    for noise in (0.0, 0.01, 0.5):
        draws = np.random.default_rng(1)

        def call(noise: float = noise, draws: np.random.Generator = draws) -> None:
            now[0] += 0.06 * (1 + noise * draws.random())

        counts.append(len(sample_seconds(call, 0.06, measurement, CPU)))
    assert counts == [16, 16, 16]


@pytest.mark.parametrize(
    ("first", "count"),
    [(0.0, 30), (0.01, 30), (1 / 30, 30), (0.034, 29), (0.3, 3), (0.6, 1), (1.0, 1), (25.0, 1)],
)
def test_the_first_call_and_the_budget_determine_the_number_of_samples(first: float, count: int) -> None:
    assert num_samples(first, Measurement(max_samples=30, max_seconds=1.0)) == count


def test_a_sample_of_a_short_call_is_the_mean_of_consecutive_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = [0.0], [0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def call() -> None:
        calls[0] += 1
        now[0] += 0.0001

    samples = sample_seconds(call, 0.0001, Measurement(max_samples=7, max_seconds=1.0), CPU)
    assert samples == pytest.approx([0.0001] * 7)
    assert calls[0] == 7 * 20  # 20 of them take 2 ms
