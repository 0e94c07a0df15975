"""The leaderboard's page of a suite: what its journals say, in Markdown, with figures beside it."""

import re
from pathlib import Path

import pandas as pd

from softal_bench.errors import SoftalError
from softal_bench.report import notes
from softal_bench.report.cost import cost_table
from softal_bench.report.figures import accuracy_figure, to_svg
from softal_bench.report.files import disk_errors, write_atomically
from softal_bench.report.index import NAME, entry, to_comment, write_index
from softal_bench.report.markdown import counted, escape, one_line, paragraph, table
from softal_bench.report.provenance import facts, methods_table, shared_settings
from softal_bench.report.records import DONE, Results, Trial, describe_counts
from softal_bench.report.sections import Section, all_labels, sections
from softal_bench.report.tables import (
    ABSENT,
    METHOD,
    Table,
    area_table,
    final_accuracy_table,
    labels_tables,
    standing,
)

Figures = dict[str, bytes]


def write_pages(results: Results, leaderboard: Path) -> Path:
    """Write a suite's page, its figures, and the index anew; return the page's path.

    Writes `leaderboard/<suite>.md`, `leaderboard/figures/<suite>-B<B>.svg` (`<suite>-B<B>.<number>.svg` from
    the second section on), and `leaderboard/README.md`. Figures of the suite that the page no longer shows
    are removed. The same journals give the same bytes.

    Raises:
        SoftalError: if the suite is named as the index is, or the disk refuses a file.
    """
    name = results.suite.name
    path = leaderboard / f"{name}.md"
    if path.name.lower() == NAME.lower():
        raise SoftalError(
            f"{path}: this is the leaderboard's index, so no suite can be named {name!r}; name it otherwise"
        )
    text, figures = page(results)
    for file_name, data in figures.items():
        write_atomically(leaderboard / "figures" / file_name, data)
    write_atomically(path, text.encode())
    _remove_stale(leaderboard / "figures", name, figures)
    write_index(leaderboard)
    return path


def page(results: Results) -> tuple[str, Figures]:
    """Return a suite's page in Markdown, and the figures it shows: file name -> SVG."""
    suite = results.suite
    figures: Figures = {}
    parts = [to_comment(entry(results)), f"# {escape(suite.title or suite.name)}"]
    parts += [paragraph(text) for text in re.split(r"\n\s*\n", suite.description) if text.strip()]
    parts.append(_summary(results))
    for number, section in enumerate(sections(results), start=1):
        parts += _section(results, section, number, figures)
    parts += _not_done(results)
    parts += _provenance(results)
    return "\n\n".join(parts) + "\n", figures


def _summary(results: Results) -> str:
    trials = list(results.trials)
    others = describe_counts(trials, but=DONE)
    done = f"**{results.count(DONE)} of {len(trials)} trials done**"
    methods = counted(len(all_labels(results)), "acquisition function")
    plan = f"{methods}, {counted(results.suite.trials, 'trial')} of each condition"
    return f"{done}{f'; {others}' if others else ''} ({plan})."


def _section(results: Results, section: Section, number: int, figures: Figures) -> list[str]:
    level = "###" if section.heading else "##"
    heading = [f"## {escape(section.heading)}"] if section.heading else []
    cost = cost_table(section)
    return [
        *heading,
        f"{level} Labels to reach an accuracy",
        *(part for labels in labels_tables(section, results.suite.report.targets) for part in _titled(labels)),
        *_not_counted(section),
        notes.LABELS,
        f"{level} Final accuracy and area under the curve",
        *_titled(final_accuracy_table(section)),
        *_titled(area_table(section)),
        notes.INTERVALS,
        f"{level} Accuracy curves",
        *_figures(results, section, number, figures),
        f"{level} Cost",
        table(cost.cells) if len(cost.cells) else "No trial is done.",
        notes.COST,
    ]


def _titled(of: Table) -> list[str]:
    return [f"**{escape(of.title)}**", table(of.cells)]


def _not_counted(section: Section) -> list[str]:
    lines = [
        f"- {escape(label)}, B = {size}: {describe_counts(cell.trials)}"
        for (label, size), cell in section.cells.items()
        if len(cell.done) < len(cell.trials)
    ]
    return ["Only done trials count here and below. Conditions with others:", "\n".join(lines)] if lines else []


def _figures(results: Results, section: Section, number: int, figures: Figures) -> list[str]:
    parts = []
    for size in section.batch_sizes:
        figure = accuracy_figure(section, size, all_labels(results), results.suite.report.targets)
        if figure is None:
            parts.append(f"B = {size}: no trial is done.")
            continue
        name = f"{results.suite.name}-B{size}{f'.{number}' if number > 1 else ''}.svg"
        figures[name] = to_svg(figure)
        parts.append(f"![Test accuracy against labels, B = {size}](figures/{name})")
        parts += _not_drawn(section, size)
    return parts


def _not_drawn(section: Section, size: int) -> list[str]:
    """Name the methods of the suite that have no line in a figure."""
    missing = [
        f"{escape(label)} ({standing(cell)})"
        for (label, batch_size), cell in section.cells.items()
        if batch_size == size and not cell.done
    ]
    return [f"Not drawn, for no trial is done: {', '.join(missing)}."] if missing else []


def _not_done(results: Results) -> list[str]:
    failed = [trial for trial in results.trials if trial.status in ("failed", "timeout", "out_of_memory")]
    parts = []
    if failed:
        cells = pd.DataFrame([_failure(trial) for trial in failed]).set_index(METHOD)
        parts += ["## Trials that failed", table(cells, align="left")]
    if results.problems:
        lines = [f"- {escape(problem.path.name)}: {escape(problem.message)}" for problem in results.problems]
        parts += ["## Journals that cannot be read", "\n".join(lines)]
    return parts


def _failure(trial: Trial) -> dict[str, str]:
    return {
        METHOD: trial.condition.acquisition.label,
        "B": str(trial.condition.batch_size),
        "Trial": str(trial.number),
        "Status": describe_counts([trial]).removeprefix("1 "),
        "Key": trial.key,
        "Error": _first_line(trial.error),
    }


def _first_line(error: str, limit: int = 300) -> str:
    """The line of an error that says what happened: the first, or in a traceback the last."""
    lines = [line for line in error.splitlines() if line.strip()] or [ABSENT]
    line = one_line(lines[-1] if lines[0].startswith("Traceback") else lines[0])
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _provenance(results: Results) -> list[str]:
    shared = [f"- {escape(key)}: {escape(value)}" for key, value in shared_settings(results).items()]
    return [
        "## Provenance",
        "\n".join(f"- {name}: {escape(value)}" for name, value in facts(results)) or "No trial was run.",
        "The methods, and the settings in which they differ (K: posterior samples):",
        table(methods_table(results), align="left"),
        "Settings that all share:",
        "\n".join(shared) or "None.",
    ]


def _remove_stale(folder: Path, suite_name: str, figures: Figures) -> None:
    """Remove the suite's figures that its page no longer shows; other suites' names cannot match."""
    own = re.compile(rf"{re.escape(suite_name)}-B\d+(\.\d+)?\.svg")
    for path in folder.glob(f"{suite_name}-B*.svg"):
        if own.fullmatch(path.name) and path.name not in figures:
            with disk_errors(path):
                path.unlink(missing_ok=True)
