"""A small cost suite for the tests of reports, and journals written line by line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softal_bench.records.cells import CostResults, collect_cells
from softal_bench.report.stats.cost import CostSetting, cost_settings
from softal_bench.suite import CostCondition, CostSuite, load_cost_suite

from ..example import write

MIB = 2**20
FILE = """
kind: cost
name: costs
title: "What choosing costs"
description: "Seconds of a choice.\\n\\nAnd more."
limits: {cell_seconds: 20}
matrix:
  pool_size: [1000, 10000, 100000]
  batch_size: [1, 2, 5, 10]
  acquisition:
    - uniform
    - bald
    - batchbald: {joint_samples: 1000}
"""


@dataclass(frozen=True)
class ExampleCosts:
    """A cost suite as described by its file, with a folder of runs and a leaderboard."""

    folder: Path
    text: str = FILE

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def leaderboard(self) -> Path:
        return self.folder / "leaderboard"

    @property
    def page(self) -> str:
        return (self.leaderboard / "costs.md").read_text(encoding="utf-8")

    @property
    def suite(self) -> CostSuite:
        path = self.folder / "costs.yaml"
        path.write_text(self.text, encoding="utf-8")
        return load_cost_suite(path)

    def path(self, condition: CostCondition, *, recorded: bool = False) -> Path:
        """Return the path of a cell's journal in the runs folder, or in the leaderboard's records."""
        root = self.leaderboard / "records" if recorded else self.runs
        return root / "costs" / f"{condition.key(0)}.jsonl"

    def condition(self, label: str, pool_size: int = 1000, batch_size: int = 1) -> CostCondition:
        """Return the first condition with this method, N and B."""
        (found, *_) = [
            condition
            for condition in self.suite.conditions
            if (condition.acquisition.label, condition.pool_size, condition.batch_size)
            == (label, pool_size, batch_size)
        ]
        return found

    def measure(self, seconds: Callable[[CostCondition], float | None]) -> None:
        """Write a done cell with three samples around these seconds for each condition, unless they are None."""
        for condition in self.suite.conditions:
            median = seconds(condition)
            if median is not None:
                write(self.path(condition), lines(condition, [0.9 * median, median, 1.2 * median]))

    def collect(self) -> CostResults:
        return collect_cells(self.suite, self.runs, self.leaderboard)

    def settings(self) -> list[CostSetting]:
        return cost_settings(self.collect())


def lines(
    condition: CostCondition,
    seconds: Sequence[float] = (),
    status: str = "done",
    *,
    error: str | None = None,
    predict_seconds: Sequence[float] = (),
    peak_bytes: int | None = 3 * MIB,
    device: str = "Example CPU, 2 cores",
) -> list[dict[str, Any]]:
    """Return the lines of a cell's journal."""
    header = {
        "kind": "header",
        "schema": 1,
        "suite": "costs",
        "key": condition.key(0),
        "condition": condition.describe(),
        "trial": 0,
        "start": [],
        "versions": {"softal-bench": "0.1.0", "torch": "2.4.0"},
        "environment": {"device": "cpu", "device_name": device, "python": "3.11.4", "threads": 2},
    }
    attempt = {"kind": "attempt", "time": "2025-03-01T10:00:00+00:00"}
    cost = {
        "kind": "cost",
        "batch_size": condition.batch_size,
        "pool_size": condition.pool_size,
        "posterior_samples": condition.posterior_samples,
        "num_classes": 10,
        "source": condition.source.label,
        "status": status,
        "seconds": list(seconds),
        "peak_bytes": peak_bytes if status == "done" else None,
        "predict_seconds": list(predict_seconds),
        "error": error,
    }
    end = {"kind": "end", "status": status, "error": error, "time": "2025-03-01T11:00:00+00:00"}
    return [header, attempt, cost, end]
