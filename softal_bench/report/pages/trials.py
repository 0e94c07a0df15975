"""The leaderboard's page of a suite of trials, in Markdown with figures, written from its journals alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from softal_bench.errors import one_line
from softal_bench.journal.lines import Status
from softal_bench.records.lookup import describe_counts
from softal_bench.records.trials import Results, Trial
from softal_bench.report.pages.markdown import counted, escape_block
from softal_bench.report.pages.provenance import Provenance
from softal_bench.report.pages.published import PublishedLabels
from softal_bench.report.pages.publishing import publish
from softal_bench.report.pages.sections import (
    Failures,
    Jobs,
    Opening,
    Rendered,
    Section,
    Stale,
    Unreadable,
    joined,
    rendered,
)
from softal_bench.report.pages.trial_sections import (
    AccuracyAndArea,
    AccuracyCurves,
    EpochsAndScores,
    LabelsAgainstSeconds,
    LabelsToAccuracy,
    MethodRanking,
    ParameterSweep,
    RoundCost,
    SettingHeading,
    TrialContext,
)
from softal_bench.report.stats.tables import METHOD, all_labels, settings

_MOST_WARNINGS = 30  # lines on a page

_WARNINGS = """\
Rounds are counted from 0. If all scores of an acquired batch are equal, the acquisition function did not distinguish
these points, and the batch says little about it: BALD with a deterministic model gives every point a score of 0."""


class Summary:
    """How many trials are done, and what the suite plans."""

    def render(self, results: Results) -> Rendered:
        trials = list(results.trials)
        others = describe_counts(trials, but=Status.DONE)
        done = f"**{results.count(Status.DONE)} of {len(trials)} trials done**"
        methods = counted(len(all_labels(results.suite.conditions)), "acquisition function")
        plan = f"{methods}, {counted(results.suite.trials, 'trial')} of each condition"
        return Rendered([f"{done}{f'; {others}' if others else ''} ({plan})."])


class EachSetting:
    """The sections of each setting of the suite."""

    def render(self, results: Results) -> Rendered:
        contexts = [TrialContext(results, one, number) for number, one in enumerate(settings(results), start=1)]
        return joined(rendered(SETTING_SECTIONS, context) for context in contexts)


class Warnings:
    """The warnings of rounds: `bald, B = 20, trial 0, round 3: all 20 scores of the acquired batch are equal`."""

    def render(self, results: Results) -> Rendered:
        lines = [
            f"{trial.condition.acquisition.label}, B = {trial.condition.batch_size}, trial {trial.number}, "
            f"{'rounds' if len(rounds) > 1 else 'round'} {', '.join(map(str, rounds))}: {one_line(text)}"
            for trial in results.trials
            for text, rounds in trial.warnings.items()
        ]
        if not lines:
            return Rendered()
        shown = [f"- {escape_block(line)}" for line in lines[:_MOST_WARNINGS]]
        more = [f"- and {len(lines) - len(shown)} more"] if len(lines) > len(shown) else []
        return Rendered(["## Warnings", "\n".join([*shown, *more]), _WARNINGS])


def _place(trial: Trial) -> dict[str, str]:
    condition = trial.condition
    return {METHOD: condition.acquisition.label, "B": str(condition.batch_size), "Trial": str(trial.number)}


TRIALS = Jobs[Results, Trial]("trial", lambda results: list(results.trials), _place)

SETTING_SECTIONS: Sequence[Section[TrialContext]] = (
    SettingHeading(),
    LabelsToAccuracy(),
    AccuracyAndArea(),
    MethodRanking(),
    AccuracyCurves(),
    EpochsAndScores(),
    ParameterSweep(),
    LabelsAgainstSeconds(),
    RoundCost(),
)

SECTIONS: Sequence[Section[Results]] = (
    Opening(TRIALS),
    Summary(),
    EachSetting(),
    PublishedLabels(),
    Failures(TRIALS, "Trials that failed"),
    Stale(TRIALS),
    Warnings(),
    Unreadable(),
    Provenance(TRIALS),
)


def page(results: Results) -> tuple[str, Mapping[str, bytes]]:
    """Return a suite's page in Markdown, and the figures that it shows: file name -> SVG."""
    whole = rendered(SECTIONS, results)
    return "\n\n".join(whole.parts) + "\n", whole.figures


def write_pages(results: Results, leaderboard: Path) -> Path:
    """Write a suite's page and its figures, and rebuild the index.

    This writes `leaderboard/<suite>.md`, the figures `leaderboard/figures/<suite>-*.svg` with their manifest, and
    `leaderboard/README.md`. Figures of the suite that the page no longer shows are removed. The same journals give the
    same bytes.

    Returns:
        The page's path.

    Raises:
        SoftalError: if the suite has the name of the index, or a file cannot be read or written.
    """
    return publish(leaderboard, results.suite.name, *page(results))
