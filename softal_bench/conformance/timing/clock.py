"""The clock of the gate: wall time less the time in which the thread was ready to run and another had its core.

On a busy machine most of what disturbs a timing is waiting for a core. Linux counts that waiting for each thread (the
second field of /proc/thread-self/schedstat, in nanoseconds), so it can be left out, while the time that the work itself
spends asleep, on a disk or on a lock still counts. Where the kernel does not count it, this is the wall clock. The
waiting of child processes is not known here.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_COUNTER = "/proc/thread-self/schedstat"
_TRIES = 10
_TOGETHER = 1e-4  # seconds; further apart the thread lost its core between the two readings


@contextmanager
def undisturbed_clock() -> Iterator[Callable[[], float]]:
    """A function that tells seconds, of the thread that opens it; a reading takes some microseconds."""
    try:
        counter = os.open(_COUNTER, os.O_RDONLY)
    except OSError:
        yield time.perf_counter
        return
    try:
        yield lambda: _reading(lambda: waited(os.pread(counter, 100, 0)))
    finally:
        os.close(counter)


def waited(schedstat: bytes) -> float:
    """Seconds of waiting for a core, from the counter's text; 0 where it tells none.

    >>> waited(b"1024110 8052416 2\\n")
    0.008052416
    """
    fields = schedstat.split()
    return int(fields[1]) / 1e9 if len(fields) > 1 else 0.0


def _reading(waiting: Callable[[], float]) -> float:
    """Wall seconds less waiting, both read at one time."""
    for _ in range(_TRIES):
        wall, since = time.perf_counter(), waiting()
        if time.perf_counter() - wall < _TOGETHER:
            break
    return wall - since
