"""The results of a suite of trials arranged in settings, and their tables: labels, accuracy, area, cost of a round."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd

from softal_bench.journal.lines import Status
from softal_bench.records.lookup import describe_counts, devices
from softal_bench.records.trials import ConditionResults, Results, Trial
from softal_bench.registry.parameters import value_text
from softal_bench.report.stats.numbers import ABSENT, MIB, median_and_quartiles, number, percentage
from softal_bench.report.stats.statistics import area_under_curve, labels_to, mean_interval, quantile, quartiles
from softal_bench.suite import AnyCondition

METHOD = "Acquisition function"
IN_THE_TABLES = ("acquisition", "batch_size")  # varied keys that every table of trials shows

_FIRST_PHASES = ["train", "predict", "select"]
_LAST_PHASES = ["evaluate"]
_PHASE_NAMES = {
    "train": "Training",
    "predict": "Prediction",
    "select": "Selection",
    "distil": "Distillation",
    "evaluate": "Evaluation",
}
_ACQUIRING_PHASES = {"predict", "select", "distil"}  # only rounds that acquire a batch have them


@dataclass(frozen=True)
class Table:
    """A table: its title in plain text, and its texts in a data frame whose index holds the methods."""

    title: str
    cells: pd.DataFrame


@dataclass(frozen=True)
class Setting:
    """Conditions of a suite that differ only in the acquisition function and the acquisition batch size B.

    Attributes:
        heading: the values of the other varied keys, such as `training.patience = 3`; empty if there are none.
        conditions: the results by the acquisition function's label and B. Combinations that are not in the suite are
            absent.
    """

    heading: str
    conditions: dict[tuple[str, int], ConditionResults]

    @cached_property
    def labels(self) -> list[str]:
        """The labels of the acquisition functions, in the suite's order."""
        return list(dict.fromkeys(label for label, _ in self.conditions))

    @cached_property
    def batch_sizes(self) -> list[int]:
        """The acquisition batch sizes, ascending."""
        return sorted({batch_size for _, batch_size in self.conditions})


def settings(results: Results) -> list[Setting]:
    """Group the conditions of a suite into settings. Both are in the suite's order."""
    keys = [key for key in results.suite.varied if key not in IN_THE_TABLES]
    grouped: dict[str, dict[tuple[str, int], ConditionResults]] = {}
    for one in results.conditions:
        condition = one.condition
        heading = ", ".join(f"{key} = {value_text(condition.value(key))}" for key in keys)
        grouped.setdefault(heading, {})[condition.acquisition.label, condition.batch_size] = one
    return [Setting(heading, conditions) for heading, conditions in grouped.items()]


def all_labels(conditions: Iterable[AnyCondition]) -> list[str]:
    """Return the distinct labels of the acquisition functions of conditions, in their order."""
    return list(dict.fromkeys(condition.acquisition.label for condition in conditions))


class HasCondition(Protocol):
    """A trial or a cost cell."""

    @property
    def condition(self) -> AnyCondition:
        """The condition that determines its numbers."""


HasConditionT = TypeVar("HasConditionT", bound=HasCondition)


def by_method(recorded: Iterable[HasConditionT]) -> dict[str, list[HasConditionT]]:
    """Group trials or cost cells by their acquisition function's label, in their order."""
    grouped: dict[str, list[HasConditionT]] = {}
    for one in recorded:
        grouped.setdefault(one.condition.acquisition.label, []).append(one)
    return grouped


def by_batch_size(labels: Sequence[str], batch_sizes: Sequence[int], text: Callable[[str, int], str]) -> pd.DataFrame:
    """Return a data frame with a row for each label, a column for each B, and `text(label, B)` in it."""
    rows = [[text(label, size) for size in batch_sizes] for label in labels]
    columns = [f"B = {size}" for size in batch_sizes]
    return pd.DataFrame(rows, index=pd.Index(labels, name=METHOD), columns=columns, dtype=object)


def status_text(results: ConditionResults) -> str:
    """Return the statuses of the trials of a condition without done trials: `not run`, or `1 failed, 2 not run`."""
    if all(trial.status == Status.NOT_RUN for trial in results.trials):
        return "not run"
    return describe_counts(results.trials)


def labels_to_target_tables(results: Results) -> list[Table]:
    """Return the tables of labels to an accuracy for each setting of the suite and each target.

    A row is an acquisition function and a column is an acquisition batch size. The text is `q25 / q50 / q75 (n)`.
    """
    return [table for setting in settings(results) for table in labels_tables(setting, results.suite.report.targets)]


def labels_tables(setting: Setting, targets: list[float]) -> list[Table]:
    """Return the tables of labels to an accuracy of one setting, one for each target (a fraction)."""

    def table(target: float) -> Table:
        def text(results: ConditionResults) -> str:
            reached = labels_to(results, target)
            return f"{' / '.join(map(number, quartiles(reached)))} ({len(reached)})"

        title = f"Labels to {percentage(target)} test accuracy"
        return Table(f"{title}, {setting.heading}" if setting.heading else title, _grid(setting, text))

    return [table(target) for target in targets]


def final_accuracy_table(setting: Setting) -> Table:
    """Return the last test accuracy of each condition in per cent: mean, 95 % interval and number of trials."""
    table = _mean_table(setting, "Final test accuracy, %", 1, lambda trial: trial.accuracies[-1])
    return _with_labels(table, setting, lambda trials: _span({trial.labels[-1] for trial in trials}))


def area_table(setting: Setting) -> Table:
    """Return the area under the accuracy curve of each condition in per cent: mean, 95 % interval, number of trials."""

    def area(trial: Trial) -> float:
        return area_under_curve(trial.labels, trial.accuracies)

    def range_of_labels(trials: list[Trial]) -> str:
        """`20 to 300`, or `20 to between 300 and 320` if the curves end at different sizes."""
        starts, ends = {trial.labels[0] for trial in trials}, {trial.labels[-1] for trial in trials}
        return f"{_span(starts)} to {_span(ends)}"

    table = _mean_table(setting, "Area under the accuracy curve, % (mean accuracy over the labels)", 2, area)
    return _with_labels(table, setting, range_of_labels)


def round_cost_table(setting: Setting) -> Table:
    """Return the seconds of a round by phase, and the peak memory: a row for each condition on each device.

    Seconds are the median and the quartiles over the rounds of all done trials; for prediction, selection and
    distillation, over the rounds that acquired a batch. Peak memory is the maximum over a trial's rounds, then the
    median over trials, in MiB (2^20 bytes).
    """
    done = [trial for results in setting.conditions.values() for trial in results.done]
    found = {phase for trial in done for round_ in trial.rounds for phase in round_.seconds}
    phases = [*_FIRST_PHASES, *sorted(found - {*_FIRST_PHASES, *_LAST_PHASES}), *_LAST_PHASES]
    rows = [
        [label, str(size), name, *_round_cost([trial for trial in results.done if trial.device == name], phases)]
        for (label, size), results in setting.conditions.items()
        for name in devices(results.done)
    ]
    headings = [f"{_PHASE_NAMES.get(phase, phase)}, s" for phase in phases]  # two phases may have the same heading
    columns = [METHOD, "B", "Device", *headings, "Peak memory, MiB", "n"]
    frame = pd.DataFrame(rows, columns=columns, dtype=object).set_index(METHOD)
    if len(devices(done)) < 2:
        frame = frame.drop(columns="Device")
    return Table("Seconds of a round and peak memory", frame)


def _grid(setting: Setting, text: Callable[[ConditionResults], str]) -> pd.DataFrame:
    """Return a data frame with `text` of each condition, or its status if no trial is done: methods by B."""

    def shown(label: str, batch_size: int) -> str:
        results = setting.conditions.get((label, batch_size))
        if results is None:
            return ABSENT
        return text(results) if results.done else status_text(results)

    return by_batch_size(setting.labels, setting.batch_sizes, shown)


def _mean_table(setting: Setting, title: str, decimals: int, value: Callable[[Trial], float]) -> Table:
    def text(results: ConditionResults) -> str:
        values = 100 * np.array([value(trial) for trial in results.done])
        low, high = mean_interval(values)
        interval = ABSENT if np.isnan(low) else f"{low:.{decimals}f}, {high:.{decimals}f}"
        return f"{values.mean():.{decimals}f} [{interval}] ({len(values)})"

    return Table(title, _grid(setting, text))


def _with_labels(table: Table, setting: Setting, text: Callable[[list[Trial]], str]) -> Table:
    """Add the labels of the done trials to the column headings: `B = 10, 300 labels`."""
    headings = {}
    for size in setting.batch_sizes:
        conditions = [results for (_, batch_size), results in setting.conditions.items() if batch_size == size]
        trials = [trial for results in conditions for trial in results.done]
        if trials:
            headings[f"B = {size}"] = f"B = {size}, {text(trials)} labels"
    return Table(table.title, table.cells.rename(columns=headings))


def _span(sizes: set[int]) -> str:
    """Return one size, or the smallest and the largest of several: `300`, or `between 300 and 320`."""
    return str(min(sizes)) if len(sizes) == 1 else f"between {min(sizes)} and {max(sizes)}"


def _round_cost(trials: list[Trial], phases: list[str]) -> list[str]:
    """Return the seconds of each phase, the peak memory, and the number of trials as texts."""
    rounds = [round_ for trial in trials for round_ in trial.rounds]
    texts = []
    for phase in phases:
        timed = [round_ for round_ in rounds if round_.acquired or phase not in _ACQUIRING_PHASES]
        samples = [seconds for round_ in timed if (seconds := round_.seconds.get(phase)) is not None]
        texts.append(median_and_quartiles(samples))
    measured = [[one.peak_bytes for one in trial.rounds if one.peak_bytes is not None] for trial in trials]
    peaks = [float(max(of_trial)) for of_trial in measured if of_trial]
    return [*texts, number(quantile(peaks, 0.5) / MIB, 0) if peaks else ABSENT, str(len(trials))]
