"""The leaderboard's page of a suite of trials: what its journals say, in Markdown, with figures beside it."""

from pathlib import Path

from softal_bench.errors import one_line
from softal_bench.journal.lines import FAILURES, Status
from softal_bench.records.lookup import describe_counts
from softal_bench.records.trials import Results, Trial
from softal_bench.report.figures.accuracy import accuracy_figure
from softal_bench.report.figures.against import against_figure
from softal_bench.report.figures.choosing import choosing_figure
from softal_bench.report.figures.drawing import to_svg
from softal_bench.report.pages import notes
from softal_bench.report.pages.course import course_figure, course_table
from softal_bench.report.pages.index import entry
from softal_bench.report.pages.markdown import counted, escape, escape_block, table
from softal_bench.report.pages.parts import (
    ending,
    failure_counts,
    failures,
    opening,
    provenance,
    stale,
    titled,
    unreadable,
)
from softal_bench.report.pages.published import published_sections
from softal_bench.report.pages.publishing import Figures, figure_name, publish
from softal_bench.report.stats.choosing import Aim, aims, choosing_table
from softal_bench.report.stats.ranking import Ranking, ranking, ranking_table
from softal_bench.report.stats.round_cost import cost_table
from softal_bench.report.stats.sections import Section, all_labels, sections
from softal_bench.report.stats.tables import METHOD, area_table, final_accuracy_table, labels_tables, standing
from softal_bench.suite import AnyCondition

_MOST_WARNINGS = 30  # lines of a page


def write_pages(results: Results, leaderboard: Path) -> Path:
    """Write a suite's page, its figures, and the index anew; return the page's path.

    Writes `leaderboard/<suite>.md`, `leaderboard/figures/<suite>-B<B>.svg` and `<suite>-seconds.svg` (with
    `.<number>.svg` from the second section on), and `leaderboard/README.md`. Figures of the suite that the page no
    longer shows are removed. The same journals give the same bytes.

    Raises:
        SoftalError: if the suite is named as the index is, or the disk refuses a file.
    """
    return publish(leaderboard, results.suite.name, *page(results))


def page(results: Results) -> tuple[str, Figures]:
    """Return a suite's page in Markdown, and the figures it shows: file name -> SVG."""
    suite, trials = results.suite, list(results.trials)
    figures: Figures = {}
    parts = [*opening(suite, entry(suite, results.count(Status.DONE), len(trials), "trials")), _summary(results)]
    for number, section in enumerate(sections(results), start=1):
        parts += _section(results, section, number, figures)
    parts += published_sections(results)
    failed = [_failure(trial) for trial in trials if trial.status in FAILURES]
    parts += failures("## Trials that failed", failure_counts(trials, "trials"), failed)
    parts += stale(trials, _place, "trial")
    parts += _warnings(trials)
    parts += unreadable(results.problems)
    parts += provenance(trials, "trial", suite.conditions, set(suite.varied))
    return "\n\n".join(parts) + "\n", figures


def _summary(results: Results) -> str:
    trials = list(results.trials)
    others = describe_counts(trials, but=Status.DONE)
    done = f"**{results.count(Status.DONE)} of {len(trials)} trials done**"
    methods = counted(len(all_labels(results.suite.conditions)), "acquisition function")
    plan = f"{methods}, {counted(results.suite.trials, 'trial')} of each condition"
    return f"{done}{f'; {others}' if others else ''} ({plan})."


def _section(results: Results, section: Section, number: int, figures: Figures) -> list[str]:
    level = "###" if section.heading else "##"
    heading = [f"## {escape_block(section.heading)}"] if section.heading else []
    cost = cost_table(section)
    return [
        *heading,
        f"{level} Labels to reach an accuracy",
        *(part for labels in labels_tables(section, results.suite.report.targets) for part in titled(labels)),
        *_not_counted(section),
        notes.LABELS,
        f"{level} Final accuracy and area under the curve",
        *titled(final_accuracy_table(section)),
        *titled(area_table(section)),
        notes.INTERVALS,
        *_ranking(section, level),
        f"{level} Accuracy curves",
        *_curves(results, section, number, figures),
        *_course(results, section, number, figures),
        *_against(results, section, number, figures),
        f"{level} Labels against seconds of acquisition",
        *_choosing(results, section, number, figures),
        f"{level} Cost",
        table(cost.cells) if len(cost.cells) else "No trial is done.",
        notes.COST,
    ]


def _not_counted(section: Section) -> list[str]:
    others = {label: _others(section, label) for label in section.labels}
    lines = [f"- {escape_block(f'{label}, {how}')}" for label, how in others.items() if how]
    return ["Only done trials count here and below. Conditions with others:", "\n".join(lines)] if lines else []


def _others(section: Section, label: str) -> str:
    """How a method's trials stand where not all are done: `B = 5, 10: 5 not run each; B = 20: 1 failed`."""
    sizes: dict[str, list[str]] = {}
    for size in section.batch_sizes:
        cell = section.cells.get((label, size))
        if cell and len(cell.done) < len(cell.trials):
            sizes.setdefault(describe_counts(cell.trials), []).append(str(size))
    groups = [f"B = {', '.join(at)}: {how}{' each' if len(at) > 1 else ''}" for how, at in sizes.items()]
    return "; ".join(groups)


def _ranking(section: Section, level: str) -> list[str]:
    found = ranking(section)
    return [f"{level} Ranking", *titled(ranking_table(found)), *_not_ranked(found), notes.RANKING] if found else []


def _not_ranked(found: Ranking) -> list[str]:
    """Name the methods for whose sake done trials of others do not count."""
    lacking = [f"B = {size}: {', '.join(map(escape, labels))}" for size, labels in found.wanting.items()]
    return [f"Trials that others have done do not count where these have not: {'; '.join(lacking)}."] if lacking else []


def _curves(results: Results, section: Section, number: int, figures: Figures) -> list[str]:
    parts = []
    labels = all_labels(results.suite.conditions)
    for size in section.batch_sizes:
        figure = accuracy_figure(section, size, labels, results.suite.report.targets)
        if figure is None:
            parts.append(f"B = {size}: no trial is done.")
            continue
        name = figure_name(results.suite.name, f"B{size}", number)
        figures[name] = to_svg(figure)
        parts.append(f"![Test accuracy against labels, B = {size}](figures/{name})")
        parts += _not_drawn(section, size)
    return parts


def _course(results: Results, section: Section, number: int, figures: Figures) -> list[str]:
    """Epochs and acquired scores, for comparison with the runs that the suite's reference was published from."""
    if results.suite.reference is None:
        return []
    parts: list[str] = []
    for size in section.batch_sizes:
        if course := course_table(section, size):
            parts += titled(course)
        if figure := course_figure(section, size, all_labels(results.suite.conditions)):
            name = figure_name(results.suite.name, f"course-B{size}", number)
            figures[name] = to_svg(figure)
            parts.append(f"![Epochs and acquired scores against labels, B = {size}](figures/{name})")
    heading = f"{'###' if section.heading else '##'} Epochs and acquired scores"
    return [heading, *parts, notes.COURSE] if parts else []


def _against(results: Results, section: Section, number: int, figures: Figures) -> list[str]:
    """The figure against a parameter, where the suite asks for one; its labels are those to the lowest target."""
    parameter = results.suite.report.against
    if parameter is None:
        return []
    heading = f"{'###' if section.heading else '##'} Against {escape_block(parameter)}"
    target = min(results.suite.report.targets)
    figure = against_figure(section, parameter, target)
    if figure is None:
        return [heading, f"No trial of a function with the parameter {escape(parameter)} is done."]
    name = figure_name(results.suite.name, f"over-{parameter}", number)
    figures[name] = to_svg(figure)
    return [heading, f"![Labels and area under the curve against {escape(parameter)}](figures/{name})", notes.AGAINST]


def _not_drawn(section: Section, size: int) -> list[str]:
    """Name the methods of the suite that have no line in a figure."""
    missing = [
        f"{escape(label)} ({standing(cell)})"
        for (label, batch_size), cell in section.cells.items()
        if batch_size == size and not cell.done
    ]
    return [f"Not drawn, for no trial is done: {', '.join(missing)}."] if missing else []


def _choosing(results: Results, section: Section, number: int, figures: Figures) -> list[str]:
    found = aims(section, results.suite.report.targets)
    parts = [] if found else ["No method reaches a target in the median."]
    if figure := choosing_figure(section, found, all_labels(results.suite.conditions)):
        name = figure_name(results.suite.name, "seconds", number)
        figures[name] = to_svg(figure)
        parts.append(f"![Labels to an accuracy against seconds of choosing them](figures/{name})")
    parts += [text for aim in found if (text := _off_the_figure(aim))]
    cells = choosing_table(found).cells
    return [*parts, *([table(cells)] if len(cells) else []), notes.CHOOSING]


def _off_the_figure(aim: Aim) -> str:
    """Say what the figure does not show, and why."""
    missing = [f"{escape(point.name)} ({point.why_not_drawn})" for point in aim.points if point.why_not_drawn]
    return f"Not drawn at B = {aim.batch_size}: {', '.join(missing)}." if missing else ""


def _warnings(trials: list[Trial]) -> list[str]:
    """The warnings of rounds: `bald, B = 20, trial 0, round 3: all 20 scores of the acquired batch are equal`."""
    lines = [
        f"{trial.condition.acquisition.label}, B = {trial.condition.batch_size}, trial {trial.number}, "
        f"{'rounds' if len(rounds) > 1 else 'round'} {', '.join(map(str, rounds))}: {one_line(text)}"
        for trial in trials
        for text, rounds in trial.warnings.items()
    ]
    shown = [f"- {escape_block(line)}" for line in lines[:_MOST_WARNINGS]]
    more = [f"- and {len(lines) - len(shown)} more"] if len(lines) > len(shown) else []
    return ["## Warnings", "\n".join([*shown, *more]), notes.WARNINGS] if lines else []


def _failure(trial: Trial) -> dict[str, str]:
    return {**_place(trial), **ending(trial, trial.error)}


def _place(trial: Trial) -> dict[str, str]:
    condition: AnyCondition = trial.condition
    return {METHOD: condition.acquisition.label, "B": str(condition.batch_size), "Trial": str(trial.number)}
