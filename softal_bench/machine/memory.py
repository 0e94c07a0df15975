"""The number of inputs that a model predicts at a time, and the memory that the C library keeps after it is freed."""

import ctypes
import sys

import torch

_PREDICTION_CHUNK = {"cpu": 512, "cuda": 4096}
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt, from glibc's malloc.h


def prediction_chunk(device: torch.device) -> int:
    """Return the number of inputs that a model predicts at a time: 512 on a CPU, 4096 on an accelerator.

    Pools, evaluation and cost cells use the same number, so that the warm-up and the timing match the actual runs. A
    GPU needs larger chunks, since starting the kernels of a small chunk takes longer than running them.
    """
    return _PREDICTION_CHUNK.get(device.type, _PREDICTION_CHUNK["cuda"])


def keep_freed_memory(block_bytes: int, total_bytes: int) -> None:
    """Let glibc keep freed memory in the process, instead of returning it and mapping it again page by page.

    By default glibc maps large blocks one by one, and adapts the limit to the blocks that the process has freed so far.
    The time of a computation then depends on what ran before it: on the digits, a selection took 1 or 6 ms, and a
    prediction of the LeNet was 1.7 times as slow in some processes as in others. The setting lasts until the process
    ends. Other C libraries are not changed.

    Args:
        block_bytes: blocks of up to this size are kept; larger ones are always returned. Older versions of glibc ignore
            values above 32 MiB.
        total_bytes: the maximum amount of memory that is kept at the end of the heap.

    Source: mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, block_bytes)
        mallopt(_TRIM_THRESHOLD, total_bytes)
