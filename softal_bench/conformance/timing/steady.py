"""What differs from one process to the next without any change of code, held still while it times."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from softal_bench.machine.memory import keep_freed_memory


@contextmanager
def steady() -> Iterator[None]:
    """Run PyTorch on one thread, without garbage collection, and keep freed memory (see `keep_freed_memory`)."""
    threads, collects = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    keep_freed_memory(2**25, 2**30)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if collects:
            gc.enable()
