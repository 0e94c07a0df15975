"""Forecasts of the time and memory that the trials of a suite need, from journals or else from a short sample."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch

from softal_bench.contracts import Splits
from softal_bench.errors import JournalError
from softal_bench.journal import file as journal
from softal_bench.journal.file import Journal
from softal_bench.journal.origin import was_timed_as_on
from softal_bench.run.jobs import LocalWork
from softal_bench.run.sample import ModelSample, declared_peak
from softal_bench.run.trials import TrialJob, identity_of_data
from softal_bench.suite import Condition
from softal_bench.trial.attribution import Ended
from softal_bench.trial.data import load_splits

SAMPLE_SECONDS = 20.0


@dataclass(frozen=True)
class Forecast:
    """The time and memory that a trial of a condition is expected to need.

    Attributes:
        seconds: the seconds of a trial; None if the sample ended before it could measure them.
        peak_bytes: the peak memory of its process, or of its CUDA device; None as for `seconds`.
        rounds: the number of journalled rounds that the forecast is based on; 0 if it is based on a sample.
    """

    seconds: float | None = None
    peak_bytes: int | None = None
    rounds: int = 0


def forecast(jobs: Sequence[TrialJob], data_root: Path, device: torch.device) -> dict[str, Forecast]:
    """Return a forecast of a trial of each condition, by `Condition.key(0)`. Write nothing.

    If a condition has rounds in its journals, its forecast is based on them. For the other conditions, each model is
    trained briefly and predicts some points, from which every acquisition function selects a batch, within
    `SAMPLE_SECONDS`. The forecast assumes that training runs to `max_epochs` and that time is proportional to draws,
    epochs and points.

    The forecast is empty for conditions whose data set fails to load.
    """
    of_condition = _grouped(jobs, _condition)
    found = {key: known for key, group in of_condition.items() if (known := _journalled(group, device))}
    left = [group[0] for key, group in of_condition.items() if key not in found]
    seconds = SAMPLE_SECONDS
    for of_model in _grouped(left, _model_and_data).values():
        try:
            splits = load_splits(of_model[0].condition, 0, data_root)
        except (Ended, MemoryError):  # the trials will report the error
            found |= {_condition(job): Forecast() for job in of_model}
            continue
        begun = time.monotonic()
        found |= dict(_sampled(of_model, splits, device, begun + seconds))
        seconds -= time.monotonic() - begun
    return found


def seconds_left(jobs: Sequence[TrialJob], forecasts: dict[str, Forecast]) -> float:
    """Return the seconds that the remaining rounds take, one trial after another, without those of unknown duration."""
    return sum((forecasts[_condition(job)].seconds or 0.0) * _part_left(job) for job in jobs)


def _sampled(
    jobs: Sequence[TrialJob], splits: Splits, device: torch.device, until: float
) -> Iterator[tuple[str, Forecast]]:
    sample: ModelSample | None = None
    condition = jobs[0].condition
    with LocalWork(device).computing(jobs[0]):
        for job in sorted(jobs, key=lambda job: _weight(job, device)):
            try:
                sample = sample or ModelSample(condition, splits, device, until)
                seconds, peak_bytes = sample.round(job.condition)
                yield _condition(job), Forecast(seconds * job.rounds, peak_bytes)
            except (Ended, MemoryError):  # the time is over, or a plugin fails and the trial will report the error
                yield _condition(job), Forecast(peak_bytes=_declared_bytes(sample, job.condition))


def _declared_bytes(sample: ModelSample | None, condition: Condition) -> int | None:
    try:
        return sample.declared_bytes(condition) if sample else None
    except (Ended, MemoryError):
        return None


def _weight(job: TrialJob, device: torch.device) -> tuple[int, int]:
    """Return a sort key that puts conditions with a large declared memory last.

    They also take long, and would otherwise use up the time before the others are sampled.
    """
    condition = job.condition
    try:
        declared = declared_peak(condition, 10_000, 10, device)
    except (Ended, MemoryError):
        declared = None
    return declared or 0, condition.batch_size


def _journalled(jobs: Sequence[TrialJob], device: torch.device) -> Forecast | None:
    """Return a forecast from the journals of a condition, or None if they have no rounds.

    Published journals count if they were computed on a comparable device, or if no trial of the condition is left.
    """
    records = [(job, record) for job in jobs if (record := _record(job))]
    nothing_left = len(records) == len(jobs) and all(record.end for _, record in records)
    rounds = [
        line
        for job, record in records
        if job.published is None or nothing_left or was_timed_as_on(device, record)
        for line in record.rounds
    ]
    if not rounds:
        return None
    seconds = mean(line.total_seconds for line in rounds)
    return Forecast(seconds * jobs[0].rounds, max(line.peak_bytes or 0 for line in rounds) or None, len(rounds))


def _part_left(job: TrialJob) -> float:
    record = _record(job)
    if record is None:
        return 1.0
    return 0.0 if record.end else 1 - len(record.rounds) / job.rounds


def _record(job: TrialJob) -> Journal | None:
    if job.published is not None:
        return job.published.record
    try:
        return journal.read_started(job.path)
    except JournalError:
        return None


def _condition(job: TrialJob) -> str:
    return job.condition.key(0)


def _model_and_data(job: TrialJob) -> str:
    condition = job.condition
    model = f"{condition.model.name} {condition.model.parameters} {condition.training!r} {condition.threads}"
    return f"{identity_of_data(condition)} {condition.validation_size} {model}"


def _grouped(jobs: Sequence[TrialJob], by: Callable[[TrialJob], str]) -> dict[str, list[TrialJob]]:
    groups: dict[str, list[TrialJob]] = {}
    for job in jobs:
        groups.setdefault(by(job), []).append(job)
    return groups
