"""Time and memory: no worse than declared as the pool grows."""

import ctypes
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from softal_bench.conformance.acquisitions.examples import Example, choose, example
from softal_bench.conformance.rules import NotApplicable, Rule, require
from softal_bench.contracts import AcquisitionFunction
from softal_bench.machine.stopwatch import peak_memory, reset_peak_memory

_BATCH = 5
_FEW, _MANY = 2048, 4096  # points of the smaller of two pools
_TIMES, _BYTES = 8, 4  # how many times as much the larger one may cost, as declared
_SLACK = 0.5  # of an exponent: caches and logarithms are allowed, the next power is not
_ATTEMPTS = 3
_GRANULE = 4 * 2**20  # bytes; less than that cannot be told from what the allocator keeps at hand
_CPU = torch.device("cpu")


def _time(acquisition: AcquisitionFunction) -> None:
    small = _MANY if acquisition.time_order <= 1 else _FEW
    large = _larger(small, acquisition.time_order, _TIMES)
    allowed = (large / small) ** (acquisition.time_order + _SLACK)
    ratio = float("inf")
    with _one_thread():
        for _ in range(_ATTEMPTS):  # a machine that is busy with other work may spoil one, not all
            ratio = min(ratio, _seconds(acquisition, large) / _seconds(acquisition, small))
            if ratio <= allowed:
                return
    require(
        False,
        f"{_BATCH} points: {large} take {ratio:.0f} times as long as {small}; declared to grow as "
        f"N^{acquisition.time_order:g} (time_order), which allows {allowed:.0f}",
    )


def _memory(acquisition: AcquisitionFunction) -> None:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        raise NotApplicable("the peak of a process's memory cannot be reset on this system")
    small, large = _FEW, _larger(_FEW, acquisition.memory_order, _BYTES)
    allowed = (large / small) ** (acquisition.memory_order + _SLACK) * max(_GRANULE, _bytes(acquisition, small))
    peak = _bytes(acquisition, large)
    require(
        peak <= allowed,
        f"{_BATCH} of {large} points take {peak / 2**20:.0f} MiB; declared to grow as N^{acquisition.memory_order:g} "
        f"(memory_order), which allows {allowed / 2**20:.0f} from what {small} points take",
    )


def _larger(small: int, order: float, factor: float) -> int:
    """The size of a pool that costs `factor` times as much as declared: of N^2 not much larger, so that it fits."""
    return int(small * factor ** (1 / max(order, 1.0)))


def _seconds(acquisition: AcquisitionFunction, size: int) -> float:
    """Median seconds of CPU time of three selections, after one to warm up."""
    given = example(size)
    return statistics.median([_cpu_seconds(acquisition, given) for _ in range(4)][1:])


def _cpu_seconds(acquisition: AcquisitionFunction, of: Example) -> float:
    start = time.process_time()
    choose(acquisition, of, _BATCH, chunk_size=1024)
    return time.process_time() - start


def _bytes(acquisition: AcquisitionFunction, size: int) -> int:
    """Growth of the process's peak during a selection."""
    given = example(size)
    _return_freed_memory()
    reset_peak_memory(_CPU)
    before = peak_memory(_CPU)
    choose(acquisition, given, _BATCH, chunk_size=1024)
    return max(0, peak_memory(_CPU) - before)


def _return_freed_memory() -> None:
    """Have the C library of Linux give back what was freed, so that a selection does not use it again unseen."""
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
