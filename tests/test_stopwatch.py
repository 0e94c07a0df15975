"""The stopwatch on a clock that the test advances, and peak memory of real allocations."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from softal_bench.machine.stopwatch import Stopwatch, peak_memory, reset_peak_memory

CPU = torch.device("cpu")
MEGABYTE = 2**20


class Clock:
    """A clock that only `pass_` moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Replace `time.perf_counter` by a clock that the test advances."""
    clock = Clock()
    with monkeypatch.context() as patched:
        patched.setattr(time, "perf_counter", clock)
        yield clock


def test_a_phase_counts_only_the_time_inside_it(clock: Clock) -> None:
    stopwatch = Stopwatch(CPU)
    clock.pass_(100)
    with stopwatch.phase("train"):
        clock.pass_(3)
    clock.pass_(100)
    assert stopwatch.seconds == {"train": 3}


def test_repeated_phases_add_up(clock: Clock) -> None:
    stopwatch = Stopwatch(CPU)
    for seconds in (1, 2, 4):
        with stopwatch.phase("predict"):
            clock.pass_(seconds)
        clock.pass_(50)
    assert stopwatch.seconds == {"predict": 7}


def test_time_in_an_inner_phase_counts_only_for_that_phase(clock: Clock) -> None:
    stopwatch = Stopwatch(CPU)
    with stopwatch.phase("select"):
        clock.pass_(1)
        for _ in range(3):
            with stopwatch.phase("predict"):
                clock.pass_(10)
                with stopwatch.phase("copy"):
                    clock.pass_(100)
                clock.pass_(10)
            clock.pass_(1)
    assert stopwatch.seconds == {"select": 4, "predict": 60, "copy": 300}


def test_a_phase_nested_in_itself_counts_once(clock: Clock) -> None:
    stopwatch = Stopwatch(CPU)
    with stopwatch.phase("predict"):
        clock.pass_(1)
        with stopwatch.phase("predict"):
            clock.pass_(2)
        clock.pass_(4)
    assert stopwatch.seconds == {"predict": 7}


def test_a_phase_that_ends_with_an_error_is_counted_and_closed(clock: Clock) -> None:
    stopwatch = Stopwatch(CPU)
    with stopwatch.phase("select"):
        with contextlib.suppress(ZeroDivisionError), stopwatch.phase("predict"):
            clock.pass_(5)
            raise ZeroDivisionError
        clock.pass_(2)
    clock.pass_(100)
    with stopwatch.phase("select"):
        clock.pass_(1)
    assert stopwatch.seconds == {"predict": 5, "select": 3}


def test_real_time_is_in_seconds() -> None:
    stopwatch = Stopwatch(CPU)
    with stopwatch.phase("select"), stopwatch.phase("predict"):
        time.sleep(0.05)
    assert 0.05 <= stopwatch.seconds["predict"] < 1
    assert stopwatch.seconds["select"] < 0.02


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_queued_work_counts_in_the_phase_that_queued_it() -> None:
    device = torch.device("cuda")
    size = 1000 if "PRETEND_CUDA_BUILT" in os.environ else 6000  # a pretend device computes on the CPU
    matrix = torch.rand(size, size, device=device)
    torch.mm(matrix, matrix)
    torch.cuda.synchronize()
    stopwatch = Stopwatch(device)
    with stopwatch.phase("queue"):
        for _ in range(20):
            torch.mm(matrix, matrix)
    with stopwatch.phase("after"):
        torch.cuda.synchronize()
    assert stopwatch.seconds["queue"] > 10 * stopwatch.seconds["after"]


def allocate(megabytes: int, device: torch.device) -> None:
    """Allocate this much memory, write to it so that it is resident, and release it."""
    torch.ones(megabytes * MEGABYTE, dtype=torch.uint8, device=device)


def needs_a_resettable_peak(device: torch.device) -> None:
    try:
        if device.type == "cpu":
            Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("the high-water mark of a process's memory cannot be reset on this system")


def test_the_peak_includes_a_released_allocation_after_the_reset(device: torch.device) -> None:
    needs_a_resettable_peak(device)
    reset_peak_memory(device)
    before = peak_memory(device)
    allocate(64, device)
    assert 60 * MEGABYTE <= peak_memory(device) - before <= 90 * MEGABYTE


def test_the_peak_omits_an_allocation_before_the_reset(device: torch.device) -> None:
    needs_a_resettable_peak(device)
    reset_peak_memory(device)
    allocate(64, device)
    with_it = peak_memory(device)
    reset_peak_memory(device)
    assert peak_memory(device) < with_it - 40 * MEGABYTE


def test_the_peak_is_in_bytes() -> None:
    needs_a_resettable_peak(CPU)
    peak = peak_memory(CPU)
    resident = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
    assert 0.9 * resident <= peak < 10 * resident
