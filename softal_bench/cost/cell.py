"""One cell of a cost suite, measured in a process of its own.

The process is a fresh fork of a server that has imported torch but computed nothing, so its memory is its own and its
start is cheap. The runner's process watches it and ends it when it is over its limit.
"""

import gc
import math
import multiprocessing
import os
import resource
import signal
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_sound_batch
from softal_bench.cost.measure import sample_seconds, seconds_of
from softal_bench.cost.measurement_lock import alone
from softal_bench.machine.memory import keep_freed_memory
from softal_bench.machine.stopwatch import peak_memory, reset_peak_memory
from softal_bench.machine.threads import environment_for, limited
from softal_bench.pools import TensorPool
from softal_bench.registry import acquisitions
from softal_bench.suite import Limits, Measurement
from softal_bench.trial.attribution import blame, ending_of

_LOAD_SECONDS = 600.0


@dataclass(frozen=True)
class Cell:
    """What is measured: the choice of `batch_size` of the points stored in `log_probs` (a .npy file, N x K x C)."""

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
    """What came of it.

    Attributes:
        seconds: samples, of one selection each.
        peak_bytes: growth of peak memory during one selection.
        acquired: the positions that the first selection chose, in the order in which it gave them. Its generator has
            just been seeded, so that cells with the same seed can be compared.
    """

    status: str
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    acquired: list[int] | None = None
    error: str | None = None
    details: str | None = None


def measure_cell(cell: Cell) -> Outcome:
    """Measure a cell in a fresh process, while no other cell of this user is measured on this machine."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(cell, theirs), daemon=True)
    with environment_for(cell.threads):  # for libraries that the server of forks loads
        process.start()
    theirs.close()
    try:
        return _watch(process, ours, cell.limits)
    finally:
        process.kill()
        process.join()
        ours.close()


def _watch(process: Any, connection: Connection, limits: Limits) -> Outcome:
    """Wait for "alone" as long as it takes, then for "loaded" and for the outcome as long as the limits say."""
    stages = ((None, "waiting"), (_LOAD_SECONDS, "loading the log-probs"), (limits.cell_seconds, "selection"))
    for seconds, what in stages:
        if not connection.poll(seconds):
            return Outcome("timeout", error=f"{what} took more than {seconds:g} s")
        try:
            message = connection.recv()
        except EOFError:
            return _died(process)
        if isinstance(message, Outcome):
            return message
    return Outcome("failed", error="the measuring process said nothing")


def _died(process: Any) -> Outcome:
    process.join()
    if process.exitcode == -signal.SIGKILL:  # nobody else kills it: the system does when memory runs out
        return Outcome("out_of_memory", error="the process was killed, as systems do that run out of memory")
    return Outcome("failed", error=f"the process ended with exit code {process.exitcode}")


def _measure(cell: Cell, connection: Connection) -> None:
    """What the process does. It ends by itself if nobody watches it any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the runner, which ends this process
    with alone():  # here, not in the runner: a process that has lost its runner still keeps others waiting
        connection.send("alone")
        try:
            with limited(cell.threads):
                outcome = _outcome(cell, connection)
        except Exception as error:
            ending = ending_of(error) or ("failed", f"{type(error).__name__}: {error}", traceback.format_exc())
            status, message, details = ending
            outcome = Outcome(status, error=message, details=details)
        connection.send(outcome)


def _outcome(cell: Cell, connection: Connection) -> Outcome:
    signal.alarm(math.ceil(_LOAD_SECONDS) + 1)  # should nobody watch any more
    device = torch.device(cell.device)
    plugin = acquisitions.resolve({cell.acquisition: cell.parameters})
    log_probs_N_K_C = torch.from_numpy(np.load(cell.log_probs)).to(device)
    with blame("acquisition function", plugin):
        plugin.instance.select(TensorPool(log_probs_N_K_C[:64]), 1, torch.Generator())  # starts threads, loads kernels
    keep_freed_memory(2**30, 2**30)  # so that a sample does not time the page faults of the sample before it
    _set_objects_aside()
    connection.send("loaded")
    signal.alarm(math.ceil(cell.limits.cell_seconds) + 1)
    _limit_memory(cell.limits, device)
    with blame("acquisition function", plugin):
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

    first = seconds_of(select_first, 1, device)  # the warm-up, and the one that memory and the batch are read from
    peak_bytes = max(0, peak_memory(device) - before)
    acquired = require_sound_batch(batch, cell.batch_size, pool.size).positions.tolist()
    batch = None  # its positions may be a view of all N
    seconds = sample_seconds(select, first, cell.measurement, device)
    return Outcome("done", seconds, peak_bytes, acquired)


def _set_objects_aside() -> None:
    """Have the garbage collector pass over what was imported before the measurement.

    An acquisition function that runs the collector would else be charged for half a million objects of the harness and
    of libraries, some tenths of a second each time, however small its pool is.
    """
    gc.collect()
    gc.freeze()


def _limit_memory(limits: Limits, device: torch.device) -> None:
    """Let allocations beyond the limit fail; on Linux CPUs, where the size of a process's data can be limited."""
    if device.type == "cuda" or not Path("/proc/self/statm").exists():
        return
    pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack
    now = pages * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = now + int(limits.memory_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
