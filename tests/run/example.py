"""Runs of small suites, and what is left of a journal when its clocks are taken out."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from softal_bench.journal.lines import Measurement, Status
from softal_bench.run.executors.contract import Executor
from softal_bench.run.executors.local import Inline
from softal_bench.run.jobs import Job
from softal_bench.run.trials import run_trials
from softal_bench.suite import Suite

Line = dict[str, Any]
CPU = torch.device("cpu")


@dataclass
class Recorder:
    """An observer that notes what it is told, and raises `stop` once so many rounds were done."""

    stop_after: int | None = None
    stop: type[BaseException] = KeyboardInterrupt
    rounds: list[Measurement] = field(default_factory=list)
    started: list[tuple[str, int]] = field(default_factory=list)
    ended: list[tuple[str, Status, bool]] = field(default_factory=list)
    errors: dict[str, str | None] = field(default_factory=dict)
    waited: list[str] = field(default_factory=list)
    died: list[tuple[str, str]] = field(default_factory=list)

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        self.started.append((job.name, rounds_done))

    def round_done(self, job: Job[Any], line: Measurement) -> None:
        self.rounds.append(line)
        if len(self.rounds) == self.stop_after:
            raise self.stop

    def trial_died(self, job: Job[Any], how: str) -> None:
        self.died.append((job.name, how))

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        self.ended.append((job.name, status, ran))
        self.errors[job.name] = error

    def waiting(self, job: Job[Any], why: str) -> None:
        self.waited.append(job.name)


def run(
    suite: Suite, runs: Path, observer: Recorder | None = None, executor: Executor | None = None
) -> dict[Status, int]:
    """Run a suite, in this process unless an executor is given; returns how many trials there are of each status."""
    return run_trials(suite, runs, runs.parent / "data", observer or Recorder(), executor or Inline(CPU))


def journals(runs: Path) -> dict[str, list[Line]]:
    """The lines of every journal of the tiny suite under a runs folder, by key."""
    return {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted((runs / "tiny").glob("*.jsonl"))
    }


def without_clocks(lines: list[Line]) -> list[Line]:
    """The lines but for seconds, bytes and times of day, and for those that tell of attempts."""
    clocks = ("seconds", "peak_bytes", "time", "traceback")
    return [
        {key: value for key, value in line.items() if key not in clocks}
        for line in lines
        if line["kind"] not in ("attempt", "interrupt")
    ]


def settled(runs: Path) -> dict[str, list[Line]]:
    """The journals under a runs folder without their clocks."""
    return {key: without_clocks(lines) for key, lines in journals(runs).items()}


def of_kind(lines: list[Line], kind: str) -> list[Line]:
    return [line for line in lines if line["kind"] == kind]
