"""The device that a run uses, what to call it, and computing on it so that the numbers come out the same."""

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from softal_bench.errors import DeviceError
from softal_bench.machine.isolation import restored
from softal_bench.machine.threads import limited


def resolve_device(wanted: str) -> torch.device:
    """The device for `auto` (cuda where there is one, else cpu), `cpu`, `cuda` or `cuda:i`.

    Raises:
        DeviceError: if there is no such device here.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", wanted):
        raise DeviceError(f"unknown device {wanted!r}; use auto, cpu, cuda or cuda:i")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cpu":
        return torch.device("cpu")
    index = int(wanted.partition(":")[2] or 0)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        there = f"there are cuda:0 to cuda:{count - 1}" if count else "torch sees no CUDA device here"
        raise DeviceError(f"device {wanted!r} was asked for, but {there}; use --device cpu or --device auto")
    return torch.device("cuda", index)


def device_name(device: torch.device) -> str:
    """The accelerator's or processor's name, for people."""
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


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """Compute with so many CPU threads in all libraries, and with the same numbers each time on CUDA.

    Afterwards all global state is as it was before, even where a time limit interrupted what restores it earlier.
    """
    with restored(), limited(threads):
        torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = True, False
        yield
