"""What differs from one process to the next without any change of code, held still while it times."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Parameters of glibc's mallopt, from malloc.h, and values that keep freed memory in the process.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES, _LARGEST_BYTES = 2**30, 2**25  # 32 MiB is the most that glibc takes for the second


@contextmanager
def steady() -> Iterator[None]:
    """PyTorch on one thread, no garbage collection, and freed memory kept.

    Where the C library hands freed memory back, it is mapped anew page by page at the next call. glibc decides by the
    sizes that the process happened to free before, and the same prediction took 1.7 times as long in some processes as
    in others. That memory is kept lasts until the process ends: glibc has no way back. Other C libraries are left as
    they are.
    """
    threads, collects = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    _keep_freed_memory()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if collects:
            gc.enable()


def _keep_freed_memory() -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
