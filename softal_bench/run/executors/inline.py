"""Trials one after another in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from softal_bench.machine.device import device_name
from softal_bench.run.executors.contract import Crew, Setting
from softal_bench.run.trials import TrialWork


@dataclass(frozen=True)
class Inline:
    """Trials one after another in this process. A plugin that ends the process ends the run.

    Attributes:
        device: where to compute.
    """

    device: torch.device

    @property
    def place(self) -> str:
        return f"{self.device} ({device_name(self.device)})"

    @contextmanager
    def started(self, setting: Setting) -> Iterator[Crew]:
        yield Crew(TrialWork(setting.data_root, self.device, setting.limits), 1)
