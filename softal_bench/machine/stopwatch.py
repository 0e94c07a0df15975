"""A synchronised stopwatch, and the peak memory of the process."""

import contextlib
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

import torch


class Stopwatch:
    """Measures seconds by phase. Phases may nest: time inside an inner phase counts only for the inner phase.

    The accelerator is synchronised at the start and end of a phase, so that queued work counts for the phase that
    queued it.
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
            self._synchronise()  # not after an error, since a failed device would raise again and hide the cause
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
    """Forget earlier peaks, so that `peak_memory` measures what follows this call."""
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
    """Return the peak bytes since the last reset: allocated on a CUDA device, or resident in the process on a CPU.

    If the peak of the process cannot be reset (outside Linux), it is the peak since the process started.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, ValueError):
        return _high_water_mark()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _high_water_mark() -> int:
    """Return VmHWM in bytes. Raise ValueError if the system does not report it."""
    file = os.open("/proc/self/status", os.O_RDONLY)
    try:
        status = os.read(file, 2**16)
    finally:
        os.close(file)
    start = status.index(b"VmHWM:") + len(b"VmHWM:")
    return int(status[start : status.index(b"kB", start)]) * 1024
