"""A small suite for the tests of reports, and journals written line by line."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from softal_bench.records.trials import Results, collect
from softal_bench.suite import Suite


@dataclass(frozen=True)
class ExampleAcquisition:
    label: str
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


UNIFORM = ExampleAcquisition("uniform", "uniform")
POWER = ExampleAcquisition("power(bald, T=0.125)", "power", {"score": "bald", "temperature": 0.125})


@dataclass(frozen=True)
class ExampleInitial:
    size: int = 20


@dataclass(frozen=True)
class ExampleCondition:
    acquisition: ExampleAcquisition = UNIFORM
    batch_size: int = 10
    posterior_samples: int = 20
    patience: int = 3
    budget: int = 20  # so that journals of any length are complete
    initial: ExampleInitial = ExampleInitial()

    def key(self, trial: int) -> str:
        letters = "".join(character for character in self.acquisition.label if character.isalnum())
        return f"{letters}-{self.batch_size}-{self.patience}-{trial}"

    def matches(self, where: dict[str, Any]) -> bool:
        return where == {"acquisition": self.acquisition.label, "batch_size": self.batch_size}

    def value(self, key: str) -> Any:
        values = {"acquisition": self.acquisition.label, "batch_size": self.batch_size}
        return {"training.patience": self.patience, **values}[key]

    def describe(self) -> dict[str, Any]:
        described = asdict(self)
        described["training"] = {"patience": described.pop("patience"), "monitor": "nll"}
        return described


@dataclass(frozen=True)
class ExampleTargets:
    targets: list[float] = field(default_factory=lambda: [0.9])
    against: str | None = None


@dataclass(frozen=True)
class ExampleSuite:
    """A suite of the given conditions, with a folder of runs and a leaderboard."""

    folder: Path
    conditions: Sequence[ExampleCondition] = (ExampleCondition(),)
    trials: int = 3
    name: str = "example"
    title: str | None = "An example"
    description: str = "Says what it is for.\n\nAnd more."
    varied: tuple[str, ...] = ("batch_size", "acquisition")
    report: ExampleTargets = field(default_factory=ExampleTargets)
    reference: Any = None

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def leaderboard(self) -> Path:
        return self.folder / "leaderboard"

    @property
    def page(self) -> str:
        return (self.leaderboard / f"{self.name}.md").read_text(encoding="utf-8")

    def path(self, condition: ExampleCondition, trial: int, *, recorded: bool = False) -> Path:
        """Return the path of a trial's journal in the runs folder, or in the leaderboard's records."""
        root = self.leaderboard / "records" if recorded else self.runs
        return root / self.name / f"{condition.key(trial)}.jsonl"

    def collect(self) -> Results:
        return collect(cast(Suite, self), self.runs, self.leaderboard)


def lines(
    condition: ExampleCondition,
    trial: int,
    accuracies: Sequence[float],
    status: str | None = "done",
    error: str | None = None,
) -> list[dict[str, Any]]:
    """Return the lines of a journal with these accuracies, whose labels grow by B from the initial size."""
    header = {
        "kind": "header",
        "schema": 1,
        "suite": "example",
        "key": condition.key(trial),
        "condition": condition.describe(),
        "trial": trial,
        "start": list(range(condition.initial.size)),
        "versions": {"softal-bench": "0.1.0", "torch": "2.4.0"},
        "environment": {
            "device": "cpu",
            "device_name": "Example CPU, 2 cores",
            "platform": "Linux",
            "python": "3.11.4",
            "threads": 1,
        },
    }
    attempt = {"kind": "attempt", "time": f"2025-03-0{trial + 1}T10:00:00+00:00"}
    rounds = [
        {
            "kind": "round",
            "round": number,
            "labels": condition.initial.size + number * condition.batch_size,
            "accuracy": accuracy,
            "nll": 0.5,
            "acquired": [] if status == "done" and number == len(accuracies) - 1 else list(range(condition.batch_size)),
            "seconds": {"train": 2.0 + number, "predict": 0.5, "select": 0.012345, "evaluate": 0.25},
            "peak_bytes": 2**20 * (100 + trial),
        }
        for number, accuracy in enumerate(accuracies)
    ]
    end = {"kind": "end", "status": status, "error": error, "time": f"2025-03-0{trial + 1}T11:00:00+00:00"}
    return [header, attempt, *rounds, *([end] if status else [])]


def write(path: Path, journal: Sequence[dict[str, Any]]) -> None:
    """Write lines as a journal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in journal), encoding="utf-8")
