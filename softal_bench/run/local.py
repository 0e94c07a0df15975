"""What jobs of both kinds of suites have in common when they are computed in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from softal_bench.journal.origin import environment, plugins, versions
from softal_bench.machine.device import computing
from softal_bench.run.jobs import Job, Line


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
        here = environment(self._device, threads)
        return {"plugins": plugins(job.condition), "versions": versions(job.condition), "environment": here}

    @contextmanager
    def computing(self, job: Job[Any]) -> Iterator[None]:
        """See `softal_bench.machine.device.computing`."""
        with computing(job.condition.threads):
            yield
