"""A round of a journal run again: the rounds before it are replayed from their acquired indices, not trained."""

from dataclasses import asdict
from pathlib import Path

import torch

from softal_bench.errors import DataError, JournalError, shown
from softal_bench.journal.file import Line, TrialRecord
from softal_bench.journal.origin import environment, versions
from softal_bench.machine.device import computing
from softal_bench.suite import Condition
from softal_bench.trial.attribution import Ended
from softal_bench.trial.data import load_splits, prepare
from softal_bench.trial.trial import Trial

# What decides how numbers are rounded, besides the condition (in which the number of threads is).
_HARDWARE = ("device_name", "platform")
_SOFTWARE = ("softal-bench", "torch", "numpy")


def run_again(record: TrialRecord, condition: Condition, number: int, data_root: Path, device: torch.device) -> Line:
    """The line of a round as it comes out here, after the rounds before it as journalled.

    Raises:
        JournalError: if the journal's data are others than these, a batch cannot have been acquired, or what was run
            raises.
    """
    try:
        prepare(condition.dataset, data_root)
        with computing(condition.threads):
            return _round(record, condition, number, data_root, device)
    except (JournalError, DataError, Ended, MemoryError) as error:
        why = str(error) or type(error).__name__
        raise JournalError(f"{record.path}: round {number} cannot be run again: {why}") from error


def unlike_here(record: TrialRecord, condition: Condition, number: int, device: torch.device) -> list[str]:
    """In what that decides rounding the machine that ran a round differs from this one; empty if in nothing."""
    before = [attempt for attempt in record.attempts if attempt["rounds_before"] <= number and "device" in attempt]
    there = before[-1] if before else record.header.get("environment")
    packages = record.header.get("versions")
    here, packages_here = environment(device, condition.threads), versions(condition)
    return [
        *[name for name in _HARDWARE if not isinstance(there, dict) or there.get(name) != here[name]],
        *[name for name in _SOFTWARE if not isinstance(packages, dict) or packages.get(name) != packages_here[name]],
    ]


def _round(record: TrialRecord, condition: Condition, number: int, data_root: Path, device: torch.device) -> Line:
    trial_number = record.header["trial"]
    splits = load_splits(condition, trial_number, data_root)
    trial = Trial(condition, trial_number, splits, device)
    for name, now in (("start", trial.start), ("provenance", asdict(splits.provenance))):
        if record.header.get(name) != now:
            raise JournalError(f"its {name} is {shown(record.header.get(name))}, these data give {shown(now)}")
    acquired = [line["acquired"] for line in record.rounds[:number]]
    trial.require_replayable(acquired)
    return next(trial.rounds(acquired))
