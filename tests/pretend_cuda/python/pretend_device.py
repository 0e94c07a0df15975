"""The Python side of the pretend CUDA device: its installation, and counts of what reaches it."""

import contextlib
import ctypes
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

_SYNC_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_OPERATOR_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int)
_NO_SYNC_HOOK, _NO_OPERATOR_HOOK = _SYNC_HOOK(), _OPERATOR_HOOK()
_OF_THE_PROJECT = ("softal_bench", "softal_plugins", "/tests/")
_libraries: list[ctypes.CDLL] = []  # the runtime and the operators, once `install` has loaded them
_hooks: list[Any] = []  # kept alive, since the libraries may still call them
clock_reads_with_work_queued: Counter[str] = Counter()


@dataclass
class Counts:
    """What reached the pretend device.

    Attributes:
        operators: calls of replaced operators.
        syncs: how often the host waited for the device.
        real_kernels: kernels that would have run on a GPU because no operator replaces them; each is an error.
        mallocs: allocations of device memory by torch's allocator.
        by_operator: operator -> calls, calls with float64 tensors, and elements of the largest operand.
        by_types: operator with the types of its tensors -> calls.
        sync_sites: (what waited, the lines of the project that led to it) -> times.
        operator_sites: (operator, the line of the project that called it) -> times.
        seconds: wall time.
    """

    operators: int = 0
    syncs: int = 0
    real_kernels: int = 0
    mallocs: int = 0
    by_operator: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    by_types: dict[str, int] = field(default_factory=dict)
    sync_sites: Counter[tuple[str, str]] = field(default_factory=Counter)
    operator_sites: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0


def install() -> None:
    """Replace torch's CUDA kernels in this process once. LD_PRELOAD must have loaded the pretend runtime."""
    if _libraries:
        return
    import torch

    built = Path(os.environ["PRETEND_CUDA_BUILT"])
    runtime = ctypes.CDLL(str(built / "libpretend_cudart.so"))
    with _without_standard_error():  # torch warns of each kernel that is replaced
        operators = ctypes.CDLL(str(built / "libpretend_ops.so"), mode=ctypes.RTLD_GLOBAL)
        operators.pretend_counts.restype = ctypes.c_char_p
        for name in ("pretend_install", "pretend_launches", "pretend_unsynced"):
            getattr(operators, name).restype = ctypes.c_long
        operators.pretend_install(str(built / "nocheck.txt").encode())
    for name in ("pretend_syncs", "pretend_real_launches", "pretend_mallocs"):
        getattr(runtime, name).restype = ctypes.c_long
    _libraries[:] = [runtime, operators]
    torch._C._set_cudnn_enabled(False)  # its own operators have no CPU kernel
    if os.environ.get("PRETEND_CUDA_CLOCK"):
        _watch_clock()


@contextlib.contextmanager
def counting(sites: bool = False) -> Iterator[Counts]:
    """Count what reaches the device in the `with` block; the counts are filled in at its end.

    Args:
        sites: whether to record which lines of the project called operators and waited, which is slow.
    """
    runtime, operators = _libraries
    counts = Counts()
    operators.pretend_reset()
    before = runtime.pretend_syncs(), runtime.pretend_real_launches(), runtime.pretend_mallocs()
    if sites:
        _hooks.extend(
            [
                _SYNC_HOOK(lambda what: counts.sync_sites.update([(what.decode(), _where(4))])),
                _OPERATOR_HOOK(lambda name, _: counts.operator_sites.update([(name.decode(), _where(1))])),
            ]
        )
        runtime.pretend_set_sync_hook(_hooks[-2])
        operators.pretend_set_op_hook(_hooks[-1])
    begun = time.perf_counter()
    try:
        yield counts
    finally:
        counts.seconds = time.perf_counter() - begun
        if sites:
            runtime.pretend_set_sync_hook(_NO_SYNC_HOOK)
            operators.pretend_set_op_hook(_NO_OPERATOR_HOOK)
        counts.operators = operators.pretend_launches()
        counts.syncs = runtime.pretend_syncs() - before[0]
        counts.real_kernels = runtime.pretend_real_launches() - before[1]
        counts.mallocs = runtime.pretend_mallocs() - before[2]
        for line in operators.pretend_counts().decode().splitlines():
            name, *numbers = line.split("\t")
            if name.startswith("#"):
                counts.by_types[name[1:]] = int(numbers[0])
            elif not name.startswith("!"):
                calls, of_float64, elements = map(int, numbers)
                counts.by_operator[name] = calls, of_float64, elements


def is_broken() -> bool:
    """Return whether a device-side assert has made all further work on the device fail."""
    return bool(_libraries[1].pretend_poisoned())


def cure() -> None:
    """Undo a device-side assert; on a real device, this takes a new process."""
    _libraries[1].pretend_cure()


def total() -> str:
    """Return a text about what has reached the device since the counts were last reset."""
    runtime, operators = _libraries
    names = [line[0] for line in operators.pretend_counts().decode().splitlines()]
    return (
        f"pretend device: {operators.pretend_launches()} calls of {sum(name not in '!#' for name in names)} operators, "
        f"{runtime.pretend_syncs()} synchronisations, {runtime.pretend_real_launches()} kernels that nothing replaces"
    )


def _where(most: int) -> str:
    """Return the innermost lines of the project that led here."""
    try:
        frame: FrameType | None = sys._getframe(2)
    except ValueError:  # autograd's thread of the device has no Python frames
        return "autograd"
    found: list[str] = []
    while frame and len(found) < most:
        name = frame.f_code.co_filename
        if any(part in name for part in _OF_THE_PROJECT):
            found.append(f"{'/'.join(name.split('/')[-3:])}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(found)


def _watch_clock() -> None:
    """Count how often the project reads a clock while work is queued that nobody has waited for."""
    runtime, operators = _libraries
    for name in ("perf_counter", "monotonic", "perf_counter_ns", "monotonic_ns"):
        setattr(time, name, _watched(name, getattr(time, name), operators))
    _hooks.append(_SYNC_HOOK(lambda _: operators.pretend_clear_unsynced()))
    runtime.pretend_set_sync_hook(_hooks[-1])


def _watched(name: str, real: Callable[[], float], operators: ctypes.CDLL) -> Callable[[], float]:
    def clock() -> float:
        if operators.pretend_unsynced() and (where := _where(2)):
            clock_reads_with_work_queued[where] += 1
        return real()

    clock.__name__ = clock.__qualname__ = name
    clock.__module__ = "time"
    return clock


@contextlib.contextmanager
def _without_standard_error() -> Iterator[None]:
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
