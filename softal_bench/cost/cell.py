"""The measurement of one cost cell, in a process of its own. Cells are measured one at a time.

The process is a fork of a server that has imported torch but computed nothing, so it starts quickly and uses no memory
of earlier computations. The runner's process watches it and kills it if it exceeds a limit.

This module does not use `torch.utils.benchmark`, which looks for a compiler when it is imported and does not fix the
number of samples.
"""

import gc
import math
import multiprocessing
import os
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch

from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_sound_batch
from softal_bench.errors import StorageError
from softal_bench.journal.lines import Ending, Status
from softal_bench.machine.device import computing
from softal_bench.machine.memory import keep_freed_memory
from softal_bench.machine.stopwatch import peak_memory, reset_peak_memory, synchronise
from softal_bench.machine.threads import environment_for
from softal_bench.pools import TensorPool
from softal_bench.registry import acquisitions
from softal_bench.suite import Limits, Measurement
from softal_bench.trial.attribution import attributed_to, ending_of

_SHORTEST = 0.002  # seconds; shorter calls are timed several at a time, so that reading the clock costs little
_LOAD_SECONDS = 600.0


@dataclass(frozen=True)
class Cell:
    """A cost cell: the selection of a batch from stored log-probs.

    Attributes:
        acquisition, parameters: the name and the parameters of the acquisition function.
        log_probs: the path of a .npy file, N x K x C, float32.
        batch_size: the number of points to select.
        device, threads: the device and the number of CPU threads of the selection.
        seed: the seed of the generator that is passed to `select`.
        measurement: bounds on samples and seconds.
        limits: limits on seconds and memory.
    """

    acquisition: str
    parameters: dict[str, Any]
    log_probs: Path
    batch_size: int
    device: str
    threads: int
    seed: int
    measurement: Measurement
    limits: Limits


@dataclass(frozen=True)
class Outcome:
    """The outcome of a measurement.

    Attributes:
        status: "done", "failed", "timeout" or "out_of_memory".
        seconds: the samples, each the seconds of one selection.
        peak_bytes: the growth of peak memory during one selection.
        acquired: the positions that the first selection returned, in order. Its generator was freshly seeded, so cells
            with the same seed can be compared.
        error: why the measurement failed; None if it is done.
        details: the traceback of a plugin's error, or None.
    """

    status: Ending
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    acquired: list[int] | None = None
    error: str | None = None
    details: str | None = None


def measure_cell(cell: Cell, on_wait: Callable[[], None] = lambda: None) -> Outcome:
    """Measure a cell in a fresh process, while this user measures no other cost on this machine.

    Args:
        cell: the cell.
        on_wait: called before waiting for another measurement to end.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(cell, theirs), daemon=True)
    with environment_for(cell.threads):  # for libraries that the server of forks loads
        process.start()
    theirs.close()
    try:
        return _watch(process, ours, cell.limits, on_wait)
    finally:
        process.kill()
        process.join()
        ours.close()


def _watch(process: Any, connection: Connection, limits: Limits, on_wait: Callable[[], None]) -> Outcome:
    """Wait for "locked" without a limit, then for "loaded" and for the outcome, each with its own limit.

    Before "locked", the process sends "waiting" if another measurement holds the lock.
    """
    stages = ((None, "waiting"), (_LOAD_SECONDS, "loading the log-probs"), (limits.cell_seconds, "selection"))
    for seconds, what in stages:
        if not connection.poll(seconds):
            return Outcome(Status.TIMEOUT, error=f"{what} took more than {seconds:g} s")
        try:
            message = connection.recv()
        except EOFError:
            return _died(process)
        if message == "waiting":
            on_wait()
            message = connection.recv()
        if isinstance(message, Outcome):
            return message
    return Outcome(Status.FAILED, error="the measuring process reported no outcome")


def _died(process: Any) -> Outcome:
    process.join()
    if process.exitcode == -signal.SIGKILL:  # by the operating system, because memory ran out
        error = "the process was killed, probably because the system ran out of memory"
        return Outcome(Status.OUT_OF_MEMORY, error=error)
    return Outcome(Status.FAILED, error=f"the process ended with exit code {process.exitcode}")


def _measure(cell: Cell, connection: Connection) -> None:
    """Measure a cell. This is the body of the process. Alarms end it if the runner no longer watches it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner handles Ctrl-C and kills this process
    try:
        # The lock is held here, not in the runner: others must wait even if the runner dies.
        with measurement_lock(lambda: connection.send("waiting")):
            connection.send("locked")
            with computing(cell.threads):
                connection.send(_outcome(cell, connection))
    except Exception as error:
        ending = ending_of(error) or (Status.FAILED, f"{type(error).__name__}: {error}", traceback.format_exc())
        status, message, details = ending
        connection.send(Outcome(status, error=message, details=details))


def _outcome(cell: Cell, connection: Connection) -> Outcome:
    signal.alarm(math.ceil(_LOAD_SECONDS) + 1)  # in case the runner no longer watches
    device = torch.device(cell.device)
    plugin = acquisitions.resolve({cell.acquisition: cell.parameters})
    log_probs_N_K_C = torch.from_numpy(np.load(cell.log_probs)).to(device)
    with attributed_to("acquisition function", plugin):
        plugin.instance.select(TensorPool(log_probs_N_K_C[:64]), 1, torch.Generator())  # starts threads, loads kernels
    keep_freed_memory(2**30, 2**30)  # so that samples do not include page faults for memory that was just freed
    _set_objects_aside()
    connection.send("loaded")
    signal.alarm(math.ceil(cell.limits.cell_seconds) + 1)
    _limit_memory(cell.limits, device)
    with attributed_to("acquisition function", plugin):
        return _measured(cell, plugin.instance, TensorPool(log_probs_N_K_C), device)


def _measured(cell: Cell, acquisition: AcquisitionFunction, pool: Pool, device: torch.device) -> Outcome:
    generator = torch.Generator().manual_seed(cell.seed)
    reset_peak_memory(device)
    before = peak_memory(device)

    batch: AcquiredBatch | None = None

    def select_first() -> None:
        nonlocal batch
        batch = acquisition.select(pool, cell.batch_size, generator)

    def select() -> None:
        acquisition.select(pool, cell.batch_size, generator)

    first = seconds_of(select_first, 1, device)  # the warm-up, which also gives the peak memory and the batch
    peak_bytes = max(0, peak_memory(device) - before)
    acquired = require_sound_batch(batch, cell.batch_size, pool.size).positions.tolist()
    batch = None  # frees memory, because the positions may be a view of a tensor of N elements
    seconds = sample_seconds(select, first, cell.measurement, device)
    return Outcome(Status.DONE, seconds, peak_bytes, acquired)


def _set_objects_aside() -> None:
    """Make the garbage collector ignore the objects that exist before the measurement.

    Otherwise the time of an acquisition function that runs the collector would include the traversal of half a million
    objects of the harness and of libraries, which takes some tenths of a second even for a small pool.
    """
    gc.collect()
    gc.freeze()


def _limit_memory(limits: Limits, device: torch.device) -> None:
    """Make allocations beyond the limit fail on a CPU under Linux, where the data size of a process can be limited."""
    if device.type == "cuda" or not Path("/proc/self/statm").exists():
        return
    pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack
    now = pages * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = now + int(limits.memory_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def seconds_of(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Return the mean seconds of `repeats` calls in a row, with the device synchronised before and after them."""
    synchronise(device)
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    synchronise(device)
    return (time.perf_counter() - start) / repeats


def sample_seconds(
    call: Callable[[], object], first: float, measurement: Measurement, device: torch.device
) -> list[float]:
    """Time a warmed-up call `num_samples` times.

    Args:
        call: the call that is timed.
        first: the seconds of its first call, the warm-up.
        measurement: bounds on samples and seconds.
        device: where the call computes.

    Returns:
        The samples in seconds, at least one, in the order in which they were taken.
    """
    repeats = max(1, round(_SHORTEST / max(first, 1e-9)))
    return [seconds_of(call, repeats, device) for _ in range(num_samples(first * repeats, measurement))]


def num_samples(seconds: float, measurement: Measurement) -> int:
    """Return how many samples fit into the time budget, at `seconds` a sample.

    n = min(max_samples, max(1, floor(max_seconds / seconds)))

    The number is fixed before the first sample is taken. A rule that stops once the samples are close together stops
    when they are close by chance, and reports too small a spread.
    """
    affordable = measurement.max_seconds / max(seconds, 1e-9)
    return int(min(measurement.max_samples, max(1, affordable)))


@contextmanager
def measurement_lock(on_wait: Callable[[], None]) -> Iterator[None]:
    """Wait for the lock that lets this user measure one cost at a time on this machine, and hold it.

    Args:
        on_wait: called before waiting.

    Raises:
        StorageError: if the lock cannot be opened, for example because it belongs to another user.
    """
    path = Path(tempfile.gettempdir()) / f"softal-bench-measuring-{os.getuid()}.lock"
    lock = filelock.FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            on_wait()
            lock.acquire()
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be locked: {error.strerror or error}; remove it, or set TMPDIR to another temporary folder"
        ) from error
    try:
        yield
    finally:
        lock.release()
