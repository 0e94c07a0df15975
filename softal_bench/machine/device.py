"""The device that a run uses: its choice, its name, and repeatable computations on it."""

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from softal_bench.errors import DeviceError
from softal_bench.machine.isolation import restored
from softal_bench.machine.threads import limited

_PRECISION_OVERRIDES = {"NVIDIA_TF32_OVERRIDE": "0", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "0"}


def resolve_device(wanted: str) -> torch.device:
    """Return the device for `auto` (cuda if there is one, otherwise cpu), `cpu`, `cuda` or `cuda:i`.

    Raises:
        DeviceError: if the name is unknown, the machine has no such device, or an environment variable overrides the
            precision of matrix products on it.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", wanted):
        raise DeviceError(f"unknown device {wanted!r}; use auto, cpu, cuda or cuda:i")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cpu":
        return torch.device("cpu")
    index = int(wanted.partition(":")[2] or 0)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for name, allowed in _PRECISION_OVERRIDES.items():
        if os.environ.get(name, allowed) != allowed:
            raise DeviceError(
                f"the environment variable {name} is {os.environ[name]!r}, which overrides the precision of matrix "
                f"products on {wanted}, so that results would not be comparable; unset it"
            )
    if index >= count:
        there = f"there are cuda:0 to cuda:{count - 1}" if count else "torch sees no CUDA device here"
        raise DeviceError(f"device {wanted!r} was asked for, but {there}; use --device cpu or --device auto")
    return torch.device("cuda", index)


def device_name(device: torch.device) -> str:
    """Return the name of the accelerator or processor, for people."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@dataclass(frozen=True)
class AcceleratorFacts:
    """Properties of an accelerator, other than its name, that affect numbers and times; None on a CPU.

    Attributes:
        cudnn: the version of cuDNN.
        driver: the version of CUDA that the driver supports.
        float32_precision: the precision of matrix products, as torch names it.
    """

    cudnn: str | None = None
    driver: str | None = None
    float32_precision: str | None = None


def accelerator_facts(device: torch.device) -> AcceleratorFacts:
    """Return the versions and the precision with which this process computes on a CUDA device."""
    if device.type != "cuda":
        return AcceleratorFacts()
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    driver = getattr(torch._C, "_cuda_getDriverVersion", lambda: None)()
    return AcceleratorFacts(
        None if cudnn is None else str(cudnn),
        None if driver is None else f"{driver // 1000}.{driver % 1000 // 10}",
        torch.get_float32_matmul_precision(),
    )


def context_is_lost() -> bool:
    """Return whether an error has made CUDA unusable for the rest of this process, as a device-side assert does."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def release_cached_memory(device: torch.device) -> None:
    """Release the memory that torch caches on a CUDA device, for other processes that share the device."""
    if device.type == "cuda" and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """Compute with this number of CPU threads in all libraries, and repeatably in full float32 precision on CUDA.

    All global state is restored afterwards, even if a time limit has interrupted an earlier restoration.
    """
    with restored(), limited(threads):
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        yield
