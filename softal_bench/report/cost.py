"""What a method costs: seconds of a round by phase, and peak memory."""

import math
from collections.abc import Iterable

import pandas as pd

from softal_bench.report.records import Results, Trial
from softal_bench.report.sections import Section
from softal_bench.report.statistics import quantile, quartiles
from softal_bench.report.tables import ABSENT, METHOD, Table, number

_FIRST = ["train", "predict", "select"]
_LAST = ["evaluate"]
_WORDS = {"train": "Training", "predict": "Prediction", "select": "Selection", "evaluate": "Evaluation"}
_ON_THE_POOL = {"predict", "select"}  # done only where a batch is acquired
_MIB = 2**20


def cost_table(section: Section) -> Table:
    """Return seconds of a round by phase, and peak memory: a row for each condition on each device.

    Seconds are the median and quartiles over the rounds of all done trials; of prediction and selection, over
    the rounds that acquired a batch. Peak memory is the largest of a trial's rounds, then the median over
    trials, in MiB (2^20 bytes).
    """
    done = [trial for cell in section.cells.values() for trial in cell.done]
    phases = _phases(done)
    rows = [
        {
            METHOD: label,
            "B": str(size),
            "Device": name,
            **_row([t for t in cell.done if device(t) == name], phases),
        }
        for (label, size), cell in section.cells.items()
        for name in sorted({device(trial) for trial in cell.done})
    ]
    columns = [METHOD, "B", "Device", *map(_heading, phases), "Peak memory, MiB", "n"]
    frame = pd.DataFrame(rows, columns=columns, dtype=object).set_index(METHOD)
    if len({device(trial) for trial in done}) < 2:
        frame = frame.drop(columns="Device")
    return Table("Seconds of a round and peak memory", frame)


def device(trial: Trial) -> str:
    """Return the name and the kind of the device that a trial ran on, such as `NVIDIA H200 (cuda)`."""
    environment = trial.environment
    kind = str(environment.get("device") or "unknown").partition(":")[0]
    name = environment.get("device_name")
    return f"{name} ({kind})" if name else kind


def devices(results: Results) -> list[str]:
    """Return the devices that the suite's trials ran on, sorted."""
    return sorted({device(trial) for trial in results.trials if trial.record})


def seconds(value: float) -> str:
    """Return seconds with three significant digits, and never an exponent.

    >>> seconds(0.0123456), seconds(1.5), seconds(99.99), seconds(1234.5), seconds(0.0)
    ('0.0123', '1.50', '100', '1234', '0')
    """
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    decimals = max(0, 2 - math.floor(math.log10(rounded)))
    return f"{value:.{decimals}f}"


def _phases(trials: Iterable[Trial]) -> list[str]:
    found = {phase for trial in trials for round_ in trial.rounds for phase in round_.seconds}
    others = sorted(found - {*_FIRST, *_LAST})
    return [*_FIRST, *others, *_LAST]


def _heading(phase: str) -> str:
    return f"{_WORDS.get(phase, phase.capitalize())}, s"


def _row(trials: list[Trial], phases: list[str]) -> dict[str, str]:
    times = {_heading(phase): _median_and_quartiles(_samples(trials, phase)) for phase in phases}
    return {**times, "Peak memory, MiB": _peak_memory(trials), "n": str(len(trials))}


def _samples(trials: list[Trial], phase: str) -> list[float]:
    rounds = [round_ for trial in trials for round_ in trial.rounds if round_.acquired or phase not in _ON_THE_POOL]
    return [value for round_ in rounds if (value := round_.seconds.get(phase)) is not None]


def _median_and_quartiles(samples: list[float]) -> str:
    if not samples:
        return ABSENT
    low, median, high = map(seconds, quartiles(samples))
    return f"{median} [{low}, {high}]"


def _peak_memory(trials: list[Trial]) -> str:
    peaks = [max((r.peak_bytes for r in trial.rounds if r.peak_bytes is not None), default=None) for trial in trials]
    known = [float(peak) for peak in peaks if peak is not None]
    return number(quantile(known, 0.5) / _MIB, 0) if known else ABSENT
