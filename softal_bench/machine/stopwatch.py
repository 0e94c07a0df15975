"""Synchronised stopwatch and peak memory."""

import contextlib
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

import torch


class Stopwatch:
    """Seconds by phase. Phases nest: time inside an inner phase counts for the inner one alone.

    The accelerator is synchronised on both edges of a phase, so that work that was only queued is counted where it
    belongs.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device if device.type == "cuda" else None
        self._running: list[str] = []
        self._since = 0.0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside the `with` block as `name`."""
        self._synchronise()
        self._book()
        self._running.append(name)
        try:
            yield
            self._synchronise()  # not after an error: a device that failed would raise again, and hide the cause
        finally:
            self._book()
            self._running.pop()

    def _synchronise(self) -> None:
        if self._device is not None:
            synchronise(self._device)

    def _book(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


def synchronise(device: torch.device) -> None:
    """Wait until all work queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak_memory(device: torch.device) -> None:
    """Forget earlier peaks, so that `peak_memory` speaks of what comes after this call."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):  # not Linux, or not allowed: see `peak_memory`
        file = os.open("/proc/self/clear_refs", os.O_WRONLY)
        try:
            os.write(file, b"5")
        finally:
            os.close(file)


def peak_memory(device: torch.device) -> int:
    """Bytes at the highest since the last reset: allocated on a CUDA device, resident in the process on a CPU.

    Where the process's high-water mark cannot be reset (outside Linux), it is the peak of the process's whole life.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, ValueError):
        return _high_water_mark()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _high_water_mark() -> int:
    """VmHWM in bytes; ValueError where the system does not tell it."""
    file = os.open("/proc/self/status", os.O_RDONLY)
    try:
        status = os.read(file, 2**16)
    finally:
        os.close(file)
    start = status.index(b"VmHWM:") + len(b"VmHWM:")
    return int(status[start : status.index(b"kB", start)]) * 1024
