"""Calls in a process of their own, so that peak memory and what a library sets for the whole process are their own."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import torch

from softal_bench.machine.stopwatch import peak_memory, reset_peak_memory

Result = TypeVar("Result")


def in_fresh_process(function: Callable[..., Result], threads: int, *arguments: Any) -> Result:
    """Call a function of a module with picklable arguments in a new interpreter with so many CPU threads."""
    with worker(threads) as process:
        return process.submit(function, *arguments).result()


def worker(threads: int) -> ProcessPoolExecutor:
    """A new interpreter with so many CPU threads that does one call after another."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=torch.set_num_threads, initargs=(threads,))


def with_peak_growth(work: Callable[[], Result], device: torch.device) -> tuple[Result, int]:
    """What `work` returns, and by how many bytes the peak of the memory in its time was above the memory before it."""
    reset_peak_memory(device)
    before = peak_memory(device)
    result = work()
    return result, peak_memory(device) - before
