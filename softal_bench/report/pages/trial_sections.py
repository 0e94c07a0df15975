"""The sections that the page of a suite of trials has for each setting of the suite."""

from dataclasses import dataclass
from functools import cached_property

from softal_bench.records.lookup import describe_counts
from softal_bench.records.trials import Results
from softal_bench.report.figures.choosing import choosing_figure
from softal_bench.report.figures.curves import accuracy_figure, epochs_and_scores_figure
from softal_bench.report.figures.sweep import sweep_figure
from softal_bench.report.pages.markdown import escape, escape_block, table, titled
from softal_bench.report.pages.sections import Rendered, joined, shown_figure
from softal_bench.report.stats.choosing import choosing_panels, choosing_table
from softal_bench.report.stats.curves import epochs_and_scores_table
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.ranking import ranking, ranking_table
from softal_bench.report.stats.tables import (
    Setting,
    all_labels,
    area_table,
    final_accuracy_table,
    labels_tables,
    round_cost_table,
    status_text,
)
from softal_bench.suite import ReportOptions

_LABELS = f"""\
Each value is the 25 % / 50 % / 75 % quantiles over the done trials, followed by the number of trials in parentheses.
The value of a trial is the first training-set size whose test accuracy is at least the target; accuracies are not
smoothed. Sizes are B apart, and quantiles between trials are interpolated linearly. ∞ means that the trial never
reached the target. An interpolation towards ∞ is ∞, so a quantile is finite only if the trials on both sides of it
reached the target. {ABSENT} means that the suite has no such condition."""

_INTERVALS = """\
Each value is the mean over the done trials, followed by its 95 % bootstrap interval in brackets and by the number of
trials in parentheses (percentile method, 10 000 resamples of the trials, fixed seed). The interval shows how far the
mean may move with other seeds. With three trials it ranges from the worst to the best trial and contains the true mean
in about three of four cases; with more trials the coverage approaches 95 %; with one trial there is no interval.
Methods share their random choices within a trial, so the intervals of two methods do not show how certain their
difference is. The area is computed by the trapezoidal rule and divided by the range of labels."""

_RANKING = """\
Methods are ordered by their mean area under the accuracy curve, over the values of B and the trials that all of them
have done. Ranks are assigned among methods with the same B and trial, which share the start set, initial weights and
dropout masks, and then averaged. The largest area has rank 1, and ties share the mean of their ranks. The last column
is the mean over trials of the difference in area from the first method, in percentage points, with the 95 % bootstrap
interval of that mean (percentile method, 10 000 resamples of the trials, fixed seed). The difference is paired, so its
interval shows what the intervals above do not: if it contains 0, the order of the two methods is open. With few trials
the interval is too narrow. The first method was chosen with the same trials, so it looks better than it is. Intervals
are not adjusted for the number of methods."""

_EPOCHS_AND_SCORES = """\
Values are means over the rounds of the done trials: the number of epochs that a training ran, and the epoch whose
weights were kept. The score of an acquired batch is the mean of the scores that its points had when they were selected.
Each acquisition function has its own scale, so compare a score with others on the same line, or with those of the same
function elsewhere."""

_SWEEP = """\
The upper panels show the median labels to the accuracy, with the 25 % and 75 % quantiles as a bar; a median of ∞ has no
mark. The lower panels show the mean area under the accuracy curve with its 95 % bootstrap interval. Functions without
the parameter are horizontal lines."""

_CHOOSING = """\
This shows how many labels a method needs against what it costs to choose them. Lower left is better; if one method
needs fewer labels and another fewer seconds, neither is better. All B share one target: the one that the largest number
of pairs of a method and a B reach in the median; if there are several, the highest of them. Labels are the 25 % / 50 %
/ 75 % quantiles over the n done trials. Seconds are the median [quartiles] of the time spent choosing these labels,
which comprises prediction on the pool, selection, and all other phases except training and evaluation, summed over the
rounds before the target is reached. In the figure, a large marker is the median of all these seconds and a small hollow
marker that of selection alone. If trials ran on several devices, large markers are filled completely for the first
device and partly for the others. A trial that never reaches the target counts as ∞ labels and ∞ seconds; methods whose
median is therefore ∞ are named below the figure."""

_ROUND_COST = """\
Seconds are the median [quartiles] over the rounds of the n done trials. Training, prediction, distillation, selection
and evaluation are timed separately, and the accelerator is synchronised at the start and at the end of each. Prediction
is the time in which the pool computed posterior log-probs. Distillation is the time in which the evaluation model was
fitted to the model's own predictions; it has a column only if an acquisition function needs that model. Selection is
the wall time of the acquisition function minus prediction and distillation. These three are measured over the rounds
that acquired a batch. The check that a batch is valid is not timed. Peak memory is the maximum over a trial's rounds,
then the median over trials, in MiB (2^20 bytes): of the device on CUDA, and on a CPU of the whole process, including
the interpreter, torch and the data."""


@dataclass(frozen=True)
class TrialContext:
    """One setting of a suite of trials, which the sections below show.

    Attributes:
        results: the results of the whole suite.
        setting: the setting.
        number: the number of the setting on the page, from 1.
    """

    results: Results
    setting: Setting
    number: int

    @property
    def report(self) -> ReportOptions:
        """What the suite asks the report to show."""
        return self.results.suite.report

    @property
    def suite_name(self) -> str:
        """The suite's name."""
        return self.results.suite.name

    @cached_property
    def labels(self) -> list[str]:
        """All methods of the suite, in its order, which determines their colours."""
        return all_labels(self.results.suite.conditions)

    def heading(self, text: str) -> str:
        """Return the heading of a section, one level deeper if the setting has a heading of its own."""
        return f"{'###' if self.setting.heading else '##'} {text}"


class SettingHeading:
    """The heading of a setting. Renders to nothing if the suite has only one."""

    def render(self, context: TrialContext) -> Rendered:
        return Rendered([f"## {escape_block(context.setting.heading)}"] if context.setting.heading else [])


class LabelsToAccuracy:
    """The tables of labels to each target, and the conditions in which not all trials are done."""

    def render(self, context: TrialContext) -> Rendered:
        tables = labels_tables(context.setting, context.report.targets)
        return Rendered(
            [
                context.heading("Labels to reach an accuracy"),
                *(part for one in tables for part in titled(one)),
                *self._not_counted(context.setting),
                _LABELS,
            ]
        )

    def _not_counted(self, setting: Setting) -> list[str]:
        others = {label: self._statuses(setting, label) for label in setting.labels}
        lines = [f"- {escape_block(f'{label}, {statuses}')}" for label, statuses in others.items() if statuses]
        if not lines:
            return []
        return [
            "Only done trials count here and below. In these conditions, not all trials are done:",
            "\n".join(lines),
        ]

    def _statuses(self, setting: Setting, label: str) -> str:
        """Return the statuses of a method's trials where not all are done: `B = 5, 10: 5 not run each; B = 20: ...`."""
        sizes: dict[str, list[str]] = {}
        for size in setting.batch_sizes:
            results = setting.conditions.get((label, size))
            if results and len(results.done) < len(results.trials):
                sizes.setdefault(describe_counts(results.trials), []).append(str(size))
        groups = [f"B = {', '.join(at)}: {counts}{' each' if len(at) > 1 else ''}" for counts, at in sizes.items()]
        return "; ".join(groups)


class AccuracyAndArea:
    """The tables of final accuracy and of the area under the accuracy curve."""

    def render(self, context: TrialContext) -> Rendered:
        return Rendered(
            [
                context.heading("Final accuracy and area under the curve"),
                *titled(final_accuracy_table(context.setting)),
                *titled(area_table(context.setting)),
                _INTERVALS,
            ]
        )


class MethodRanking:
    """The ranking of the methods. Renders to nothing if fewer than two methods have a trial in common."""

    def render(self, context: TrialContext) -> Rendered:
        found = ranking(context.setting)
        if found is None:
            return Rendered()
        parts = [context.heading("Ranking"), *titled(ranking_table(found))]
        if found.missing:
            missing = [f"B = {size}: {', '.join(map(escape, labels))}" for size, labels in found.missing.items()]
            parts.append(f"Trials do not count if one of these methods has not done them: {'; '.join(missing)}.")
        return Rendered([*parts, _RANKING])


class AccuracyCurves:
    """A figure of the accuracy curves for each B, and the methods that it does not show."""

    def render(self, context: TrialContext) -> Rendered:
        heading = Rendered([context.heading("Accuracy curves")])
        return joined([heading, *(self._curves(context, size) for size in context.setting.batch_sizes)])

    def _curves(self, context: TrialContext, size: int) -> Rendered:
        setting = context.setting
        figure = accuracy_figure(setting, size, context.labels, context.report.targets)
        if figure is None:
            return Rendered([f"B = {size}: no trial is done."])
        caption = f"Test accuracy against labels, B = {size}"
        shown = shown_figure(context.suite_name, f"B{size}", context.number, figure, caption)
        missing = [
            f"{escape(label)} ({status_text(results)})"
            for (label, batch_size), results in setting.conditions.items()
            if batch_size == size and not results.done
        ]
        note = [f"Not drawn because no trial is done: {', '.join(missing)}."] if missing else []
        return joined([shown, Rendered(note)])


class EpochsAndScores:
    """Epochs and acquired scores for each B, to compare with published runs.

    Renders to nothing if the suite has no reference or the journals do not record epochs.
    """

    def render(self, context: TrialContext) -> Rendered:
        if context.results.suite.reference is None:
            return Rendered()
        found = joined(self._of_batch_size(context, size) for size in context.setting.batch_sizes)
        if not found.parts:
            return Rendered()
        return joined(
            [Rendered([context.heading("Epochs and acquired scores")]), found, Rendered([_EPOCHS_AND_SCORES])]
        )

    def _of_batch_size(self, context: TrialContext, size: int) -> Rendered:
        found = epochs_and_scores_table(context.setting, size)
        figure = epochs_and_scores_figure(context.setting, size, context.labels)
        parts = [Rendered(titled(found))] if found else []
        if figure:
            caption = f"Epochs and acquired scores against labels, B = {size}"
            parts.append(shown_figure(context.suite_name, f"course-B{size}", context.number, figure, caption))
        return joined(parts)


class ParameterSweep:
    """The figure against a parameter of acquisition functions, with labels to the lowest target.

    Renders to nothing if the suite does not ask for it.
    """

    def render(self, context: TrialContext) -> Rendered:
        parameter = context.report.against
        if parameter is None:
            return Rendered()
        heading = context.heading(f"Against {escape_block(parameter)}")
        figure = sweep_figure(context.setting, parameter, min(context.report.targets))
        if figure is None:
            return Rendered([heading, f"No trial of a function with the parameter {escape(parameter)} is done."])
        caption = f"Labels and area under the curve against {escape(parameter)}"
        shown = shown_figure(context.suite_name, f"over-{parameter}", context.number, figure, caption)
        return joined([Rendered([heading]), shown, Rendered([_SWEEP])])


class LabelsAgainstSeconds:
    """The figure and the table of labels to a target against the seconds spent choosing them."""

    def render(self, context: TrialContext) -> Rendered:
        panels = choosing_panels(context.setting, context.report.targets)
        parts = [Rendered([context.heading("Labels against seconds of acquisition")])]
        if not panels:
            parts.append(Rendered(["No method reaches a target in the median."]))
        if figure := choosing_figure(context.setting.heading, panels, context.labels):
            caption = "Labels to an accuracy against seconds of choosing them"
            parts.append(shown_figure(context.suite_name, "seconds", context.number, figure, caption))
        for panel in panels:
            hidden = [f"{escape(one.name)} ({one.why_not_drawn})" for one in panel.points if one.why_not_drawn]
            if hidden:
                parts.append(Rendered([f"Not drawn at B = {panel.batch_size}: {', '.join(hidden)}."]))
        cells = choosing_table(panels).cells
        return joined([*parts, Rendered([*([table(cells)] if len(cells) else []), _CHOOSING])])


class RoundCost:
    """The table of the seconds of a round and of peak memory."""

    def render(self, context: TrialContext) -> Rendered:
        cells = round_cost_table(context.setting).cells
        shown = table(cells) if len(cells) else "No trial is done."
        return Rendered([context.heading("Cost"), shown, _ROUND_COST])
