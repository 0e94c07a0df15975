"""Runs of small suites, and journals without their clocks."""

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
    """An observer that records its events, and raises `stop` after this many rounds."""

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
    """Run a suite, in this process unless an executor is given; return the number of trials with each status."""
    return run_trials(suite, runs, runs.parent / "data", observer or Recorder(), executor or Inline(CPU))


def journals(runs: Path) -> dict[str, list[Line]]:
    """Return the lines of every journal of the tiny suite in a runs folder, by key."""
    return {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted((runs / "tiny").glob("*.jsonl"))
    }


def without_clocks(lines: list[Line]) -> list[Line]:
    """Return the lines without seconds, bytes, times of day and tracebacks, and without those about attempts."""
    clocks = ("seconds", "peak_bytes", "time", "traceback")
    return [
        {key: value for key, value in line.items() if key not in clocks}
        for line in lines
        if line["kind"] not in ("attempt", "interrupt")
    ]


def settled(runs: Path) -> dict[str, list[Line]]:
    """Return the journals in a runs folder without their clocks."""
    return {key: without_clocks(lines) for key, lines in journals(runs).items()}


def of_kind(lines: list[Line], kind: str) -> list[Line]:
    return [line for line in lines if line["kind"] == kind]
