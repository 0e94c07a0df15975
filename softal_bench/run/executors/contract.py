"""What an executor is."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from softal_bench.run.jobs import Work
from softal_bench.suite import Condition, Resources, TrialLimits


@dataclass(frozen=True)
class Setting:
    """What is the same for all trials of a run.

    Attributes:
        data_root: the folder of data.
        limits: what a trial may take.
        resources: what a trial asks of a cluster.
        threads: the most CPU threads that a trial has.
    """

    data_root: Path
    limits: TrialLimits
    resources: Resources
    threads: int

    def asked_for(self) -> dict[str, float]:
        """What a trial asks of a cluster, by Ray's names."""
        cpus = self.resources.cpus
        return {"CPU": self.threads if cpus is None else cpus, "GPU": self.resources.gpus}

    def plain(self, device: str, fetch: bool = False) -> dict[str, Any]:
        """For a worker, with its device and whether it is to fetch data that are missing where it is."""
        limits = self.limits.model_dump()
        root, threads = str(self.data_root), self.threads
        return {"data_root": root, "device": device, "limits": limits, "fetch": fetch, "threads": threads}


@dataclass(frozen=True)
class Crew:
    """Those who compute: what they do, and how many trials they do at a time."""

    work: Work[Condition]
    workers: int


class Executor(Protocol):
    """Where trials are computed."""

    @property
    def place(self) -> str:
        """Where that is, for people."""

    def started(self, setting: Setting) -> AbstractContextManager[Crew]:
        """Have a crew ready for a run; after it nothing of it is left behind."""
