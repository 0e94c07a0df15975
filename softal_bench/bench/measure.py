"""Repeated timing of one call.

By hand, as `torch.utils.benchmark` looks for a compiler when it is imported, and has no stopping rule on quartiles.
"""

import time
from collections.abc import Callable

import numpy as np
import torch

from softal_bench.suite import Measurement
from softal_bench.timing import synchronise

_SHORTEST = 0.002  # seconds; shorter calls are timed several at a time, so that the clock's own cost does not count


def seconds_of(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Mean seconds of a call over `repeats` in a row, the device synchronised before the first and after the last."""
    synchronise(device)
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    synchronise(device)
    return (time.perf_counter() - start) / repeats


def sample_seconds(
    call: Callable[[], object], first: float, measurement: Measurement, device: torch.device
) -> list[float]:
    """Time a call that has been warmed up, again and again, until the quartiles settle or the time budget ends.

    Args:
        call: what is timed.
        first: about how many seconds it takes, from the warm-up.
        measurement: when it is enough.
        device: where it computes.

    Returns:
        Samples in seconds, one at least, in the order in which they were taken.
    """
    repeats = max(1, round(_SHORTEST / max(first, 1e-9)))
    samples: list[float] = []
    while not samples or not _is_enough(samples, repeats, measurement):
        samples.append(seconds_of(call, repeats, device))
    return samples


def _is_enough(samples: list[float], repeats: int, measurement: Measurement) -> bool:
    if len(samples) >= measurement.max_samples or sum(samples) * repeats >= measurement.max_seconds:
        return True
    if len(samples) < measurement.min_samples:
        return False
    low, median, high = np.quantile(samples, [0.25, 0.5, 0.75])
    return bool(high - low <= measurement.settled * median)
