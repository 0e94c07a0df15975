"""Before a run: the executor that was requested, and the time and memory that a suite needs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from softal_bench.cli.options import ExecutorRequest
from softal_bench.cli.progress import duration
from softal_bench.errors import ExecutorError
from softal_bench.machine.device import resolve_device
from softal_bench.run.executors.contract import Executor
from softal_bench.run.executors.local import Inline, Processes
from softal_bench.run.executors.ray import Ray
from softal_bench.run.forecast import SAMPLE_SECONDS, Forecast, forecast, seconds_left
from softal_bench.run.trials import TrialJob
from softal_bench.suite import Condition, CostSuite, Suite

if TYPE_CHECKING:
    from softal_bench.cli.kinds import Kind

_EXECUTORS_WITH = {"jobs": ("processes", "ray"), "devices": ("processes",), "ray_address": ("ray",)}


def executor_of(request: ExecutorRequest, kind: "Kind", device: str) -> Executor:
    """Return the executor that was requested.

    Args:
        request: the options.
        kind: the suite that it is to run.
        device: `--device`, or the suite's device.

    Raises:
        ExecutorError: if the options contradict one another, or the executor cannot run the suite.
        DeviceError: if a device is not available.
    """
    for option, executors in _EXECUTORS_WITH.items():
        value = getattr(request, option)
        if value is not None and request.executor not in executors:
            name = option.replace("_", "-")
            raise ExecutorError(f"--{name} {value}: use it with --executor {' or '.join(executors)}")
    if request.executor == "inline":
        return Inline(resolve_device(device))
    if not kind.parallel:
        raise ExecutorError(
            f"--executor {request.executor}: {kind.suite.path} is a cost suite, whose cells are measured one at a "
            "time; leave out --executor"
        )
    if request.executor == "ray":
        return Ray(request.ray_address or "auto", request.jobs, device)
    devices = _devices(request.devices, device)
    default_jobs = max(1, num_cores() // kind.threads) if devices == ["cpu"] else len(devices)
    return Processes(request.jobs or default_jobs, devices)


def crowding(executor: Executor, threads: int) -> str | None:
    """Return a warning if there are more threads than cores, or None.

    Args:
        executor: where the trials run.
        threads: the number of threads of a trial.
    """
    cores = num_cores()
    if not isinstance(executor, Processes) or executor.jobs * threads <= cores:
        return None
    return f"{executor.jobs} processes with {threads} threads each use more threads than the {cores} cores available"


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_here(executor: Executor) -> torch.device:
    """Return a device of this machine that is like those of the executor."""
    if isinstance(executor, Inline):
        return executor.device
    return resolve_device(executor.devices[0] if isinstance(executor, Processes) else "auto")


def _devices(listed: str | None, device: str) -> list[str]:
    """The devices that are listed; otherwise, all GPUs if the device is `auto` and there are any; otherwise, it."""
    if listed is not None:
        return [str(resolve_device(name.strip())) for name in listed.split(",")]
    if device == "auto" and torch.cuda.is_available():
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [str(resolve_device(device))]


@dataclass(frozen=True)
class Outlook:
    """The time and memory that a suite needs.

    Attributes:
        sentences: about the whole suite.
        columns: columns for the table of conditions.
        rows: for each condition, the values of these columns.
    """

    sentences: list[str]
    columns: Sequence[str] = ()
    rows: list[list[str]] = field(default_factory=list)


def outlook_of_trials(
    suite: Suite, jobs: Sequence[TrialJob], data_root: Path, executor: Executor, fresh: bool
) -> Outlook:
    """Return the time and memory of a trial of each condition, and of the suite; `fresh` recomputes finished trials."""
    forecasts = forecast(jobs, data_root, device_here(executor))
    of_each = [forecasts[condition.key(0)] for condition in suite.conditions]
    rows = [["unknown" if each.seconds is None else duration(each.seconds), _gib(each.peak_bytes)] for each in of_each]
    sentences = [_time_sentence(suite, jobs, forecasts, executor, fresh), _memory_sentence(suite.conditions, of_each)]
    return Outlook(sentences, ("time per trial (estimate)", "memory (estimate)"), rows)


def outlook_of_cells(suite: CostSuite) -> Outlook:
    """Return the time that the limits of a cost suite allow."""
    seconds = sum(condition.limits.cell_seconds for condition in suite.conditions)
    return Outlook([f"at most {duration(seconds)} by limits.cell_seconds, plus the time for loading and training"])


def _time_sentence(
    suite: Suite, jobs: Sequence[TrialJob], forecasts: dict[str, Forecast], executor: Executor, fresh: bool
) -> str:
    whole = suite.trials * sum(each.seconds or 0.0 for each in forecasts.values())
    left = whole if fresh else seconds_left(jobs, forecasts)
    unknown = sum(each.seconds is None for each in forecasts.values())
    text = f"{'more than' if unknown else 'about'} {duration(whole)} one trial after another, {duration(left)} left"
    workers = executor.jobs if isinstance(executor, Processes | Ray) else 1
    if workers is not None and workers > 1:
        text += f", {duration(left / workers)} with {workers} at a time"
    sampled = sum(not each.rounds for each in forecasts.values())
    text += f"; estimated from journals for {len(forecasts) - sampled} conditions, from a short run for {sampled}"
    text += ", assuming the longest training" if sampled else ""
    if unknown:
        text += f"; {unknown} conditions are not counted, which failed or exceeded {SAMPLE_SECONDS:g} s"
    return text


def _memory_sentence(conditions: Sequence[Condition], forecasts: Sequence[Forecast]) -> str:
    known = [(each.peak_bytes, place) for place, each in enumerate(forecasts) if each.peak_bytes is not None]
    if not known:
        return "memory: unknown"
    peak_bytes, place = max(known)
    condition = conditions[place]
    return f"most memory: about {_gib(peak_bytes)}, for {condition.acquisition.label} with B={condition.batch_size}"


def _gib(peak_bytes: int | None) -> str:
    return "unknown" if peak_bytes is None else f"{peak_bytes / 2**30:.2g} GiB"
