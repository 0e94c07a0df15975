"""The executor that is asked for on the command line."""

import os

import torch

from softal_bench.cli.options import ExecutorRequest
from softal_bench.errors import ExecutorError
from softal_bench.machine.device import resolve_device
from softal_bench.run.executors.contract import Executor
from softal_bench.run.executors.local import Inline, Processes
from softal_bench.run.executors.ray import Ray
from softal_bench.suite import CostSuite, Suite

_TAKEN_BY = {"jobs": ("processes", "ray"), "devices": ("processes",), "ray_address": ("ray",)}


def executor_of(request: ExecutorRequest, suite: Suite | CostSuite, device: str) -> Executor:
    """The executor that is asked for.

    Args:
        request: the options.
        suite: what it is to run.
        device: `--device`, or the suite's.

    Raises:
        ExecutorError: if the options do not fit together, or the suite cannot be run there.
        DeviceError: if a device is not there.
    """
    for option, takers in _TAKEN_BY.items():
        value = getattr(request, option)
        if value is not None and request.executor not in takers:
            name = option.replace("_", "-")
            raise ExecutorError(f"--{name} {value}: only with --executor {' or '.join(takers)}")
    if request.executor == "inline":
        return Inline(resolve_device(device))
    if isinstance(suite, CostSuite):
        raise ExecutorError(
            f"--executor {request.executor}: {suite.path} is a cost suite, whose cells are measured one at a time; "
            "leave --executor out"
        )
    if request.executor == "ray":
        return Ray(request.ray_address or "auto", request.jobs, device)
    devices = _devices(request.devices, device)
    return Processes(request.jobs or _default_jobs(devices, threads_of(suite)), devices)


def threads_of(suite: Suite) -> int:
    """The most CPU threads that a trial of the suite has."""
    return max(condition.threads for condition in suite.conditions)


def crowding(executor: Executor, suite: Suite | CostSuite) -> str | None:
    """That there are more threads than cores, if so."""
    if not isinstance(executor, Processes) or isinstance(suite, CostSuite):
        return None
    threads, cores = threads_of(suite), num_cores()
    if executor.jobs * threads <= cores:
        return None
    return f"{executor.jobs} processes with {threads} threads each are more than the {cores} cores here"


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _devices(listed: str | None, device: str) -> list[str]:
    """Those listed; else every GPU where the device is to be found, and there are some; else the device."""
    if listed is not None:
        return [str(resolve_device(name.strip())) for name in listed.split(",")]
    if device == "auto" and torch.cuda.is_available():
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [str(resolve_device(device))]


def _default_jobs(devices: list[str], threads: int) -> int:
    return max(1, num_cores() // threads) if devices == ["cpu"] else len(devices)


def at_a_time(executor: Executor) -> int | None:
    """How many trials it computes at a time; None if only the cluster knows."""
    return executor.jobs if isinstance(executor, Processes | Ray) else 1


def device_here(executor: Executor) -> torch.device:
    """A device of this machine that is like those of the executor."""
    if isinstance(executor, Inline):
        return executor.device
    return resolve_device(executor.devices[0] if isinstance(executor, Processes) else "auto")
