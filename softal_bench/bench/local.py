"""What jobs of both kinds of suites have in common when they are computed in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from softal_bench.bench.environment import environment, versions
from softal_bench.bench.jobs import Job, Line


class LocalWork:
    """Jobs computed in this process.

    Args:
        device: where to compute.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def skips(self, job: Job[Any]) -> str | None:
        return None

    def ended(self, job: Job[Any], status: str) -> None:
        return

    def stop(self) -> None:
        return  # the main thread, which computes, has been interrupted already

    def origin(self, job: Job[Any]) -> Line:
        threads = job.condition.threads
        return {"versions": versions(job.condition), "environment": environment(self._device, threads)}

    @contextmanager
    def computing(self, job: Job[Any]) -> Iterator[None]:
        """With the job's CPU threads, and with the same numbers each time on CUDA; as it was before, afterwards."""
        cudnn = torch.backends.cudnn
        before = torch.get_num_threads(), cudnn.deterministic, cudnn.allow_tf32
        torch.set_num_threads(job.condition.threads)
        cudnn.deterministic, cudnn.allow_tf32 = True, False
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            cudnn.deterministic, cudnn.allow_tf32 = before[1:]
