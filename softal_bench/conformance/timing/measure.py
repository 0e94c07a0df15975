"""Measuring the ratio of a subject's time to the time of its control, in one process.

`stable_process` removes differences between processes, `undisturbed_clock` excludes the time spent waiting for a core,
`PairedTimer` alternates between control and subject, and `slowed` plants a slow-down to prove that the gate detects it.
"""

import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch

from softal_bench.errors import shown, suggestion
from softal_bench.machine.memory import keep_freed_memory

Work = Callable[[], object]
Clock = Callable[[], float]

PLANT_VARIABLE = "SOFTAL_BENCH_PLANT"
PLANT_FACTOR = 1.5

_WARM_UPS = 3
_MIN_ROUNDS, _MAX_ROUNDS = 15, 200

_COUNTER = "/proc/thread-self/schedstat"
_TRIES = 10
_SIMULTANEOUS = 1e-4  # seconds; if two readings are further apart, the thread lost its core between them

_KEPT_BYTES, _LARGEST_BYTES = 2**30, 2**25  # 32 MiB is the maximum that glibc accepts for the second


@dataclass(frozen=True)
class Pair:
    """The seconds of one call of the control, and of the call of the subject right after it."""

    control: float
    subject: float


class PairedTimer:
    """Times control and subject alternately, so that a disturbance that lasts longer than a pair slows both.

    Attributes:
        pairs: the pairs timed since the last `take`.
    """

    def __init__(self, subject: Work, control: Work, clock: Clock) -> None:
        self.pairs: list[Pair] = []
        self._subject = subject
        self._control = control
        self._clock = clock
        self._control_seconds = math.nan

    def run_control(self) -> None:
        """Time the control, which is the first half of a pair."""
        self._control_seconds = self._seconds(self._control)

    def run_subject(self) -> None:
        """Time the subject, which is the second half of a pair."""
        self.pairs.append(Pair(self._control_seconds, self._seconds(self._subject)))

    def run(self, rounds: int) -> None:
        """Time this many pairs."""
        for _ in range(rounds):
            self.run_control()
            self.run_subject()

    def take(self) -> list[Pair]:
        """Return the pairs and clear the list."""
        taken, self.pairs = self.pairs, []
        return taken

    def rounds_in(self, seconds: float) -> int:
        """Return the number of pairs, from 15 to 200, that take about this long. Run and discard three to find out."""
        self.run(_WARM_UPS)
        fastest = min(pair.control + pair.subject for pair in self.take())
        return max(_MIN_ROUNDS, min(_MAX_ROUNDS, round(seconds / fastest))) if fastest > 0 else _MAX_ROUNDS

    def _seconds(self, work: Work) -> float:
        start = self._clock()
        work()
        return self._clock() - start


def ratio(pairs: Sequence[Pair]) -> float:
    """Return the median over pairs of the subject's seconds divided by the control's.

    Among the medians, quartiles and minima of ratios and of seconds, this statistic differed least between a quiet and
    a busy machine.
    """
    return statistics.median(pair.subject / pair.control for pair in pairs)


@contextmanager
def undisturbed_clock() -> Iterator[Clock]:
    """Yield a clock for this thread: wall time minus the time in which the thread was ready to run but had no core.

    On a busy machine, waiting for a core is the largest disturbance of a timing. Linux counts this time for each thread
    (the second field of /proc/thread-self/schedstat, in nanoseconds), so the clock can subtract it. Time that the work
    spends asleep, waiting for a disk or a lock, still counts. If the kernel does not provide the counter, the clock is
    the wall clock. The waiting time of child processes is not subtracted. A reading takes a few microseconds.
    """
    try:
        counter = os.open(_COUNTER, os.O_RDONLY)
    except OSError:
        yield time.perf_counter
        return

    def reading() -> float:
        for _ in range(_TRIES):
            wall, waiting = time.perf_counter(), seconds_waited(os.pread(counter, 100, 0))
            if time.perf_counter() - wall < _SIMULTANEOUS:
                break
        return wall - waiting

    try:
        yield reading
    finally:
        os.close(counter)


def seconds_waited(schedstat: bytes) -> float:
    """Return the seconds of waiting for a core, from the text of the counter, or 0 if the text does not contain them.

    >>> seconds_waited(b"1024110 8052416 2\\n")
    0.008052416
    """
    fields = schedstat.split()
    return int(fields[1]) / 1e9 if len(fields) > 1 else 0.0


@contextmanager
def stable_process() -> Iterator[None]:
    """Run PyTorch on one thread, disable garbage collection, and keep freed memory in the process.

    Memory is kept until the process ends, because glibc cannot restore its defaults; see `keep_freed_memory`.
    """
    threads, collects = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    keep_freed_memory(_LARGEST_BYTES, _KEPT_BYTES)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if collects:
            gc.enable()


def planted() -> str | None:
    """Return the name of the benchmark with a planted slow-down, from SOFTAL_BENCH_PLANT, or None if it is not set."""
    return os.environ.get(PLANT_VARIABLE) or None


def require_known_plant(names: Collection[str]) -> None:
    """Check that the planted slow-down, if any, is in a benchmark of this run.

    Raises:
        pytest.UsageError: if it is not; the message lists the benchmarks.
    """
    name = planted()
    if name is not None and name not in names:
        in_this_run = f"In this run: {', '.join(sorted(names))}"
        raise pytest.UsageError(
            f"{PLANT_VARIABLE}: unknown benchmark {shown(name)}{suggestion(name, names)} {in_this_run}"
        )


def slowed(work: Work, clock: Clock, factor: float = PLANT_FACTOR) -> Work:
    """Return a function that does the work and then runs an empty loop until `factor` times the time has passed."""

    def slow() -> None:
        start = clock()
        work()
        end = start + factor * (clock() - start)
        while clock() < end:
            pass

    return slow
