"""What a method costs: seconds of a round by phase, and peak memory."""

from collections.abc import Iterable

import pandas as pd

from softal_bench.records.lookup import devices
from softal_bench.records.trials import Trial
from softal_bench.report.stats.numbers import ABSENT, MIB, median_and_quartiles, number
from softal_bench.report.stats.sections import Section
from softal_bench.report.stats.statistics import quantile
from softal_bench.report.stats.tables import METHOD, Table

_FIRST = ["train", "predict", "select"]
_LAST = ["evaluate"]
_WORDS = {
    "train": "Training",
    "predict": "Prediction",
    "select": "Selection",
    "distil": "Distillation",
    "evaluate": "Evaluation",
}
_ON_THE_POOL = {"predict", "select", "distil"}  # done only where a batch is acquired


def cost_table(section: Section) -> Table:
    """Return seconds of a round by phase, and peak memory: a row for each condition on each device.

    Seconds are the median and quartiles over the rounds of all done trials; of prediction and selection, over
    the rounds that acquired a batch. Peak memory is the largest of a trial's rounds, then the median over
    trials, in MiB (2^20 bytes).
    """
    done = [trial for cell in section.cells.values() for trial in cell.done]
    phases = _phases(done)
    rows = [
        [label, str(size), name, *_row([trial for trial in cell.done if trial.device == name], phases)]
        for (label, size), cell in section.cells.items()
        for name in devices(cell.done)
    ]
    headings = [f"{_WORDS.get(phase, phase)}, s" for phase in phases]  # of two phases they may be the same
    columns = [METHOD, "B", "Device", *headings, "Peak memory, MiB", "n"]
    frame = pd.DataFrame(rows, columns=columns, dtype=object).set_index(METHOD)
    if len(devices(done)) < 2:
        frame = frame.drop(columns="Device")
    return Table("Seconds of a round and peak memory", frame)


def _phases(trials: Iterable[Trial]) -> list[str]:
    found = {phase for trial in trials for round_ in trial.rounds for phase in round_.seconds}
    others = sorted(found - {*_FIRST, *_LAST})
    return [*_FIRST, *others, *_LAST]


def _row(trials: list[Trial], phases: list[str]) -> list[str]:
    times = [median_and_quartiles(_samples(trials, phase)) for phase in phases]
    return [*times, _peak_memory(trials), str(len(trials))]


def _samples(trials: list[Trial], phase: str) -> list[float]:
    rounds = [round_ for trial in trials for round_ in trial.rounds if round_.acquired or phase not in _ON_THE_POOL]
    return [value for round_ in rounds if (value := round_.seconds.get(phase)) is not None]


def _peak_memory(trials: list[Trial]) -> str:
    peaks = [max((r.peak_bytes for r in trial.rounds if r.peak_bytes is not None), default=None) for trial in trials]
    known = [float(peak) for peak in peaks if peak is not None]
    return number(quantile(known, 0.5) / MIB, 0) if known else ABSENT
