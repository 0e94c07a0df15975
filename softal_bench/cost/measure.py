"""Repeated timing of one call.

By hand, as `torch.utils.benchmark` looks for a compiler when it is imported, and does not fix the number of samples.
"""

import time
from collections.abc import Callable

import torch

from softal_bench.machine.stopwatch import synchronise
from softal_bench.suite import Measurement

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
    """Time a call that has been warmed up as often as `num_samples` says.

    Args:
        call: what is timed.
        first: the seconds of its first call, the warm-up.
        measurement: bounds on samples and seconds.
        device: where it computes.

    Returns:
        Samples in seconds, at least one, in the order in which they were taken.
    """
    repeats = max(1, round(_SHORTEST / max(first, 1e-9)))
    return [seconds_of(call, repeats, device) for _ in range(num_samples(first * repeats, measurement))]


def num_samples(seconds: float, measurement: Measurement) -> int:
    """As many samples as the time budget has room for, of a call whose first sample took so many seconds.

    n = min(max_samples, max(1, floor(max_seconds / seconds)))

    It is decided before the first sample is taken. A rule that stops once the samples lie close together would stop
    where they happen to do so, and the spread that it reports would be too small.
    """
    affordable = measurement.max_seconds / max(seconds, 1e-9)
    return int(min(measurement.max_samples, max(1, affordable)))
