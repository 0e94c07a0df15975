"""The leaderboard's page of a cost suite: what its journals say, in Markdown, with figures beside it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from softal_bench.journal.lines import Status
from softal_bench.records.cells import Cell, CostResults
from softal_bench.records.lookup import describe_counts, devices
from softal_bench.report.figures.cost import (
    comparable_batch_size,
    figure_against_batch_size,
    figure_against_pool_size,
    not_drawn,
)
from softal_bench.report.figures.drawing import to_svg
from softal_bench.report.pages import cost_notes as notes
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
from softal_bench.report.pages.provenance import leaves
from softal_bench.report.pages.publishing import Figures, figure_name, publish
from softal_bench.report.stats.agreement import agreement_table
from softal_bench.report.stats.cost_settings import IN_THE_TABLES, Setting, settings
from softal_bench.report.stats.cost_tables import growth_tables, memory_table, ratio_table, seconds_table, share_table
from softal_bench.report.stats.growth import FEWEST
from softal_bench.report.stats.numbers import significant, size
from softal_bench.report.stats.sections import all_labels
from softal_bench.report.stats.tables import METHOD
from softal_bench.suite.keys import Ratio


def write_cost_pages(results: CostResults, leaderboard: Path) -> Path:
    """Write a cost suite's page, its figures, and the index anew; return the page's path.

    Writes `leaderboard/<suite>.md`, `leaderboard/figures/<suite>-against-B.svg` and `<suite>-against-N.svg` (with
    `.<number>.svg` from the second setting on), and `leaderboard/README.md`. Figures of the suite that the page no
    longer shows are removed. The same journals give the same bytes.

    Raises:
        SoftalError: if the suite is named as the index is, or the disk refuses a file.
    """
    return publish(leaderboard, results.suite.name, *cost_page(results))


def cost_page(results: CostResults) -> tuple[str, Figures]:
    """Return a cost suite's page in Markdown, and the figures it shows: file name -> SVG."""
    suite = results.suite
    figures: Figures = {}
    parts = [*opening(suite, entry(suite, results.count(Status.DONE), len(results.cells), "cells")), _summary(results)]
    several = devices(results.cells)
    if len(several) > 1:
        parts.append(
            f"Cells were measured on {len(several)} devices, which are told apart: {escape('; '.join(several))}."
        )
    for number, setting in enumerate(settings(results), start=1):
        parts += _setting(results, setting, number, figures)
    parts += ["## Notes", *notes.ALL]
    failed = [_failure(cell) for cell in results.cells if cell.status == Status.FAILED]
    parts += failures("## Cells that failed or were over a limit", failure_counts(results.cells, "cells"), failed)
    parts += stale(results.cells, _place, "cell")
    parts += unreadable(results.problems)
    parts += provenance(results.cells, "cell", suite.conditions, {*suite.varied, *IN_THE_TABLES})
    parts += ["The sources of log-probs:", "\n".join(_sources(results))]
    return "\n\n".join(parts) + "\n", figures


def _summary(results: CostResults) -> str:
    others = describe_counts(results.cells, but=Status.DONE)
    done = f"**{results.count(Status.DONE)} of {len(results.cells)} cells done**"
    methods = counted(len(all_labels(results.suite.conditions)), "acquisition function")
    return f"{done}{f'; {others}' if others else ''} ({methods}). How each number was made: [notes](#notes)."


def _setting(results: CostResults, setting: Setting, number: int, figures: Figures) -> list[str]:
    ratio = results.suite.report.ratio
    return [
        f"## {escape_block(setting.heading)}",
        *_figures(results, setting, number, figures),
        *(_ratios(setting, ratio) if ratio else []),
        *_agreement(setting, results.suite.report.same_batch),
        *_growth(setting),
        *(part for pool_size in setting.pool_sizes for part in _pool(setting, pool_size)),
    ]


def _figures(results: CostResults, setting: Setting, number: int, figures: Figures) -> list[str]:
    labels = all_labels(results.suite.conditions)
    parts = ["### Seconds of one selection against B and N"]

    def show(figure: Figure, symbol: str, text: str) -> None:
        name = figure_name(results.suite.name, f"against-{symbol}", number)
        figures[name] = to_svg(figure)
        parts.append(f"![{text}](figures/{name})")

    if not (figure := figure_against_batch_size(setting, labels)):
        return [*parts, "No cell is done in more than 0 s, or over a limit."]
    show(figure, "B", "Seconds of one selection against B")
    parts += _missing(setting, setting.of_method)
    if batch_size := comparable_batch_size(setting):
        show(figure_against_pool_size(setting, batch_size, labels), "N", f"Seconds against N, B = {batch_size}")
        parts.append(f"Against N with B = {batch_size}: the largest B at which most methods are done at two N or more.")
        parts += _missing(setting, lambda label: setting.against_pool_size(label, batch_size).values())
    return parts


def _missing(setting: Setting, cells_of: Callable[[str], Iterable[Cell]]) -> list[str]:
    missing = not_drawn(setting, cells_of)
    return (
        [f"Not drawn, for no cell is done in more than 0 s or over a limit: {', '.join(map(escape, missing))}."]
        if missing
        else []
    )


def _ratios(setting: Setting, ratio: Ratio) -> list[str]:
    found = ratio_table(setting, ratio)
    asked = f"{', '.join(ratio.of)} / {ratio.to}"
    body = [table(found.cells)] if len(found.cells) else [escape_block(f"{asked}: there are no such cells here.")]
    return [f"### {escape_block(f'Ratio of seconds: {asked}')}", *body]


def _agreement(setting: Setting, groups: Sequence[list[str]]) -> list[str]:
    """A section with the agreement and the ratio of seconds of each group that has cells here."""
    parts: list[str] = []
    for group in groups:
        agreed = agreement_table(setting, group)
        if len(agreed.cells):
            ratios = ratio_table(setting, Ratio(of=group[1:], to=group[0]))
            parts += [*titled(agreed), *titled(replace(ratios, title=f"{ratios.title} to {group[0]}"))]
    return ["### Agreement of batches", notes.AGREEMENT, *parts] if parts else []


def _growth(setting: Setting) -> list[str]:
    tables = growth_tables(setting)
    parts = [part for one in tables for part in titled(one)]
    return ["### Exponents of growth", *(parts or [f"No method has {FEWEST} cells done along B or N."])]


def _pool(setting: Setting, pool_size: int) -> list[str]:
    parts = [f"### N = {size(pool_size)}", *titled(seconds_table(setting, pool_size))]
    if prediction := setting.prediction(pool_size):
        low, median, high = map(significant, prediction)
        parts.append(f"Prediction of this pool takes {median} [{low}, {high}] s.")
    if shares := share_table(setting, pool_size):
        parts += titled(shares)
    return [*parts, *titled(memory_table(setting, pool_size))]


def _sources(results: CostResults) -> list[str]:
    """A line for each source, with all that it was made with."""
    described = [cell.condition.describe()["source"] for cell in results.cells]
    lines = [
        f"{source['label']}: {', '.join(f'{key}: {value}' for key, value in leaves(source['parameters']))}"
        for source in described
    ]
    return [f"- {escape_block(line)}" for line in dict.fromkeys(lines)]


def _failure(cell: Cell) -> dict[str, str]:
    return {**_place(cell), **ending(cell, cell.error)}


def _place(cell: Cell) -> dict[str, str]:
    condition = cell.condition
    return {
        METHOD: condition.acquisition.label,
        "B": str(condition.batch_size),
        "N": size(condition.pool_size),
        "K": str(condition.posterior_samples),
        "Source": condition.source.label,
    }
