"""Rules about cost: time and memory must not grow faster with the pool than declared."""

import ctypes
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from softal_bench.conformance.acquisitions.example_pools import example_pool, select
from softal_bench.conformance.rules import NotApplicable, Rule, Violation, require
from softal_bench.contracts import AcquisitionFunction
from softal_bench.machine.memory import keep_freed_memory
from softal_bench.machine.stopwatch import peak_memory, reset_peak_memory

_BATCH = 5
_FEW, _MANY = 2048, 4096  # the size of the smaller pool
_TIME_FACTOR, _MEMORY_FACTOR = 8, 4  # by declaration, the larger pool costs this many times as much as the smaller one
_SLACK = 0.5  # added to the exponent: enough for caches and logarithms, but not for the next power
_ATTEMPTS = 3
_GRANULE = 4 * 2**20  # bytes; smaller amounts are hidden by the memory that the allocator keeps
_KEEP_ALL = (2**30, 2**30)  # for `keep_freed_memory`
# Threads other than the first one allocate from heaps of 64 MiB, and would keep only the matrices of N x N that fit.
_KEEP_SMALL = (2**20, 2**17)
_CPU = torch.device("cpu")


def _time(acquisition: AcquisitionFunction) -> None:
    small = _MANY if acquisition.time_order <= 1 else _FEW
    large = _larger(small, acquisition.time_order, _TIME_FACTOR)
    allowed = (large / small) ** (acquisition.time_order + _SLACK)
    ratio = float("inf")
    # Either both pools are slowed by page faults, or none.
    keep_freed_memory(*(_KEEP_ALL if acquisition.time_order <= 1 else _KEEP_SMALL))
    with _one_thread():
        for _ in range(_ATTEMPTS):  # other programs may disturb one attempt, but rarely all of them
            ratio = min(ratio, _seconds(acquisition, large) / _seconds(acquisition, small))
            if ratio <= allowed:
                return
    raise Violation(
        f"{_BATCH} points: a pool of {large} takes {ratio:.0f} times as long as a pool of {small}; time is declared to "
        f"grow as N^{acquisition.time_order:g} (time_order), which allows {allowed:.0f} times"
    )


def _memory(acquisition: AcquisitionFunction) -> None:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        raise NotApplicable("this system cannot reset the peak memory of a process")
    keep_freed_memory(*_KEEP_SMALL)
    small, large = _FEW, _larger(_FEW, acquisition.memory_order, _MEMORY_FACTOR)
    allowed = (large / small) ** (acquisition.memory_order + _SLACK) * max(_GRANULE, _peak_bytes(acquisition, small))
    peak = _peak_bytes(acquisition, large)
    require(
        peak <= allowed,
        f"{_BATCH} of {large} points take {peak / 2**20:.0f} MiB; memory is declared to grow as "
        f"N^{acquisition.memory_order:g} (memory_order), which allows {allowed / 2**20:.0f} MiB, extrapolated from "
        f"{small} points",
    )


def _larger(small: int, order: float, factor: float) -> int:
    """Return the size of a pool that costs `factor` times as much as `small` points, at most `factor` times `small`."""
    return int(small * factor ** (1 / max(order, 1.0)))


def _seconds(acquisition: AcquisitionFunction, size: int) -> float:
    """Return the median CPU time of three selections in seconds, after one selection to warm up."""
    example = example_pool(size)
    seconds = []
    for _ in range(4):
        start = time.process_time()
        select(acquisition, example, _BATCH, chunk_size=1024)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds[1:])


def _peak_bytes(acquisition: AcquisitionFunction, size: int) -> int:
    """Return the growth of the peak memory of the process during a selection, in bytes."""
    example = example_pool(size)
    _return_freed_memory()
    reset_peak_memory(_CPU)
    before = peak_memory(_CPU)
    select(acquisition, example, _BATCH, chunk_size=1024)
    return max(0, peak_memory(_CPU) - before)


def _return_freed_memory() -> None:
    """Make the C library of Linux return freed memory, which a selection could reuse without raising the peak."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


RULES: tuple[Rule[AcquisitionFunction], ...] = (
    Rule("time", "takes time that grows with N as declared", _time),
    Rule("memory", "takes memory that grows with N as declared", _memory),
)
