"""What all works of a run share."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch


@dataclass(frozen=True)
class Settings:
    """Where and how long to measure.

    Attributes:
        device: of both sides.
        threads: CPU threads of both sides.
        repetitions: samples a side.
        data_dir: holds MNIST/raw.
        work_dir: trained models and log-probs are kept here between runs.
        quick: tiny sizes, to see that all works run; the figures mean nothing.
        run: when the run was started; rows with the same were measured together.
    """

    device: torch.device
    threads: int
    repetitions: int
    data_dir: Path
    work_dir: Path
    quick: bool = False
    run: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def size(self, full: int, quick: int) -> int:
        """A size of the run: `full`, or `quick` in a quick one."""
        return quick if self.quick else full
