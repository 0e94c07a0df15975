"""The leaderboard's page of a cost suite, in Markdown with figures, written from its journals alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from softal_bench.journal.lines import Status
from softal_bench.records.cells import Cell, CostResults
from softal_bench.records.lookup import describe_counts, devices
from softal_bench.report.figures.cost import (
    comparable_batch_size,
    figure_against_batch_size,
    figure_against_pool_size,
    not_drawn,
)
from softal_bench.report.pages.markdown import counted, escape, escape_block, table, titled
from softal_bench.report.pages.provenance import Provenance, leaves
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
    shown_figure,
)
from softal_bench.report.stats.cost import (
    IN_THE_TABLES,
    CostSetting,
    cost_settings,
    memory_table,
    seconds_table,
    share_table,
)
from softal_bench.report.stats.cost_comparisons import FEWEST, LARGEST, agreement_table, growth_tables, ratio_table
from softal_bench.report.stats.numbers import ABSENT, significant, size
from softal_bench.report.stats.tables import METHOD, all_labels
from softal_bench.suite.keys import Ratio

_SECONDS = """\
**Seconds.** A cell is a combination of acquisition function, B, N, K and source. Cells are measured one at a time, each
in a new process. The log-probs were computed before and are in memory, so the seconds are those of selection alone. The
first selection is a warm-up, which is not counted. Its seconds determine the number of samples: as many as fit into the
time budget (`measurement.max_seconds`), at least one and at most `measurement.max_samples`. The number is fixed before
the first sample is taken, so it does not depend on the spread that the quartiles show. The accelerator is synchronised
at the start and at the end of each timed selection. Very short selections are timed several at a time, and a sample is
their mean. Tables show the median and the 25 % and 75 % quantiles of these samples, interpolated linearly, followed by
the number of samples in parentheses; if the budget allows only one sample, the three are the same number. On Linux, the
C library of the measuring process is set to keep freed memory, so that a sample does not include the page faults of the
previous one. Trials do not use this setting, so a selection from a small pool can take several times as long in a
trial."""

_NOT_DONE = f"""\
**Cells that are not done.** "timeout": the cell was stopped because it had not finished within its limit of seconds.
The limit applies to the whole cell, which has a warm-up and at least one sample, so a selection took more than about
half of it. "out of memory": a selection needed more than the memory limit or than was available. "not tried": a cell
with the same method, N, K and source and a smaller B was over a limit on the same device. "not run": there is no
journal. {ABSENT}: the suite has no such cell, or nothing was measured."""

_FIGURES = """\
**Figures.** Both axes are logarithmic, so a straight line is a power law and its slope is the exponent. Lines are
medians and bands are quartiles. Open marks are cells over a limit; their height is the limit on the seconds of the
whole cell, and a dotted line joins them to the method's last done cell. A median of 0 cannot be shown on a logarithmic
axis. Methods that come first in the suite are drawn wider, so that methods with the same cost do not hide them."""

_RATIO = f"""\
**Ratio of seconds.** The ratio of the two medians. The brackets range from (25 % quantile of the first) / (75 %
quantile of the second) to (75 % quantile of the first) / (25 % quantile of the second); this is not a confidence
interval. There are no brackets if one of the two cells has fewer samples than `measurement.min_samples` because no more
fitted into the time budget: quartiles of so few samples say little about their spread. If one of the two cells is not
done, its status is shown. {ABSENT}: the suite has no such cell."""

_GROWTH = f"""\
**Exponents of growth.** The slope of log seconds against log B or log N, fitted by least squares to the medians of the
{LARGEST} largest sizes that are done, or of all if there are fewer, with the 95 % interval by Student's t in brackets
and the number of fitted cells in parentheses. An exponent of 0 means that the seconds do not depend on the size, 1 that
they are proportional to it, and 2 that they grow with its square. Small sizes are left out because methods compute
differently there: joint entropies are exact for the first points and sampled for later ones, and constant costs weigh
more. The switch from exact to sampled can make an exponent larger or smaller than that of either, so an exponent says
nothing about sizes beyond those measured. The interval shows how well one power law fits, not how far repeated
measurements scatter. {ABSENT}: fewer than {FEWEST} cells are done. Columns without any exponent are left out."""

_PREDICTION = """\
**Prediction** is the computation of the log-probs of the same N points under the same K posterior samples by the model
that the source names, shown as the median [quartiles] of its own samples. In active learning it precedes every
selection that reads log-probs; a share of 1 % means that selection adds a hundredth to it."""

_MEMORY = """\
**Peak memory** is the growth of the peak during the first selection beyond the memory that was resident before, in MiB
(2^20 bytes): of the device on CUDA, and of the process on a CPU. The pool's log-probs were resident before, so they are
not included."""

_AGREEMENT = """\
The first selection of each cell is compared with that of the first method of its group. Both are made from the same
log-probs and with equally seeded generators. Cells show the number of points that both batches contain, and the number
of points at the beginning that are the same and in the same order. Methods with exact scores should select the same
points, except where scores are equal up to rounding. BatchBALD's joint entropies are exact while C^i <= M label
configurations; after that, each implementation estimates them in its own way from label configurations drawn at random.
Gains that differ by less than the errors of these estimates can be in any order, so batches may differ and be equally
good. Rules that draw their batch at random are in no group because single draws need not agree; tests compare their
distributions."""


@dataclass(frozen=True)
class CostContext:
    """One setting of a cost suite, which the sections below show.

    Attributes:
        results: the results of the whole suite.
        setting: the setting.
        number: the number of the setting on the page, from 1.
    """

    results: CostResults
    setting: CostSetting
    number: int

    @cached_property
    def labels(self) -> list[str]:
        """All methods of the suite, in its order, which determines their colours."""
        return all_labels(self.results.suite.conditions)


class SettingHeading:
    """The heading of a setting: its source, K, and all else that varies."""

    def render(self, context: CostContext) -> Rendered:
        return Rendered([f"## {escape_block(context.setting.heading)}"])


class SecondsAgainstSizes:
    """The figures of seconds against B and against N, and the methods that they do not show."""

    def render(self, context: CostContext) -> Rendered:
        setting, suite_name = context.setting, context.results.suite.name
        parts = [Rendered(["### Seconds of one selection against B and N"])]
        figure = figure_against_batch_size(setting, context.labels)
        if figure is None:
            return joined([*parts, Rendered(["No cell is done in more than 0 s or over a limit."])])
        caption = "Seconds of one selection against B"
        parts.append(shown_figure(suite_name, "against-B", context.number, figure, caption))
        parts.append(self._missing(setting, setting.of_method))
        if batch_size := comparable_batch_size(setting):
            figure = figure_against_pool_size(setting, batch_size, context.labels)
            caption = f"Seconds against N, B = {batch_size}"
            parts.append(shown_figure(suite_name, "against-N", context.number, figure, caption))
            reason = "the largest B at which most methods are done with two N or more"
            parts.append(Rendered([f"The figure against N shows B = {batch_size}, {reason}."]))
            at_batch_size = setting.against_pool_size
            parts.append(self._missing(setting, lambda label: at_batch_size(label, batch_size).values()))
        return joined(parts)

    def _missing(self, setting: CostSetting, cells_of: Callable[[str], Iterable[Cell]]) -> Rendered:
        missing = not_drawn(setting, cells_of)
        if not missing:
            return Rendered()
        reason = "Not drawn because no cell is done in more than 0 s or over a limit"
        return Rendered([f"{reason}: {', '.join(map(escape, missing))}."])


class Ratios:
    """The ratios of seconds that the suite asks for. Renders to nothing if it asks for none."""

    def render(self, context: CostContext) -> Rendered:
        ratio = context.results.suite.report.ratio
        if ratio is None:
            return Rendered()
        asked = f"{', '.join(ratio.of)} / {ratio.to}"
        cells = ratio_table(context.setting, ratio).cells
        body = table(cells) if len(cells) else escape_block(f"{asked}: this setting has no such cells.")
        return Rendered([f"### {escape_block(f'Ratio of seconds: {asked}')}", body])


class Agreement:
    """The agreement of batches and the ratios of seconds within groups of methods that should select the same points.

    Renders to nothing if the setting has no cells of such a group.
    """

    def render(self, context: CostContext) -> Rendered:
        parts: list[str] = []
        for group in context.results.suite.report.same_batch:
            agreed = agreement_table(context.setting, group)
            if len(agreed.cells):
                ratios = ratio_table(context.setting, Ratio(of=group[1:], to=group[0]))
                parts += [*titled(agreed), *titled(replace(ratios, title=f"{ratios.title} to {group[0]}"))]
        return Rendered(["### Agreement of batches", _AGREEMENT, *parts] if parts else [])


class Growth:
    """The exponents of growth in B and in N."""

    def render(self, context: CostContext) -> Rendered:
        parts = [part for one in growth_tables(context.setting) for part in titled(one)]
        return Rendered(["### Exponents of growth", *(parts or [f"No method has {FEWEST} cells done along B or N."])])


class EachPoolSize:
    """The tables of seconds, of the share of prediction, and of peak memory for each N."""

    def render(self, context: CostContext) -> Rendered:
        return joined(self._of_pool_size(context.setting, pool_size) for pool_size in context.setting.pool_sizes)

    def _of_pool_size(self, setting: CostSetting, pool_size: int) -> Rendered:
        parts = [f"### N = {size(pool_size)}", *titled(seconds_table(setting, pool_size))]
        if prediction := setting.prediction(pool_size):
            low, median, high = map(significant, prediction)
            parts.append(f"Prediction of this pool takes {median} [{low}, {high}] s.")
        if shares := share_table(setting, pool_size):
            parts += titled(shares)
        return Rendered([*parts, *titled(memory_table(setting, pool_size))])


class Summary:
    """How many cells are done."""

    def render(self, results: CostResults) -> Rendered:
        others = describe_counts(results.cells, but=Status.DONE)
        done = f"**{results.count(Status.DONE)} of {len(results.cells)} cells done**"
        methods = counted(len(all_labels(results.suite.conditions)), "acquisition function")
        reference = "The [notes](#notes) explain how each number was measured."
        return Rendered([f"{done}{f'; {others}' if others else ''} ({methods}). {reference}"])


class SeveralDevices:
    """The devices, if cells were measured on several."""

    def render(self, results: CostResults) -> Rendered:
        found = devices(results.cells)
        if len(found) < 2:
            return Rendered()
        shown = escape("; ".join(found))
        return Rendered([f"Cells were measured on {len(found)} devices, which are shown separately: {shown}."])


class EachSetting:
    """The sections of each setting of the suite."""

    def render(self, results: CostResults) -> Rendered:
        contexts = [CostContext(results, one, number) for number, one in enumerate(cost_settings(results), start=1)]
        return joined(rendered(SETTING_SECTIONS, context) for context in contexts)


class Notes:
    """How each number was measured."""

    def render(self, results: CostResults) -> Rendered:
        return Rendered(["## Notes", _SECONDS, _NOT_DONE, _FIGURES, _RATIO, _GROWTH, _PREDICTION, _MEMORY])


class Sources:
    """Each source of log-probs with all its parameters."""

    def render(self, results: CostResults) -> Rendered:
        described = [cell.condition.describe()["source"] for cell in results.cells]
        lines = [
            f"{source['label']}: {', '.join(f'{key}: {value}' for key, value in leaves(source['parameters']))}"
            for source in described
        ]
        distinct = "\n".join(f"- {escape_block(line)}" for line in dict.fromkeys(lines))
        return Rendered(["The sources of log-probs:", distinct])


def _place(cell: Cell) -> dict[str, str]:
    condition = cell.condition
    return {
        METHOD: condition.acquisition.label,
        "B": str(condition.batch_size),
        "N": size(condition.pool_size),
        "K": str(condition.posterior_samples),
        "Source": condition.source.label,
    }


CELLS = Jobs[CostResults, Cell]("cell", lambda results: results.cells, _place, frozenset(IN_THE_TABLES))

SETTING_SECTIONS: Sequence[Section[CostContext]] = (
    SettingHeading(),
    SecondsAgainstSizes(),
    Ratios(),
    Agreement(),
    Growth(),
    EachPoolSize(),
)

SECTIONS: Sequence[Section[CostResults]] = (
    Opening(CELLS),
    Summary(),
    SeveralDevices(),
    EachSetting(),
    Notes(),
    Failures(CELLS, "Cells that failed or were over a limit", listed=[Status.FAILED]),
    Stale(CELLS),
    Unreadable(),
    Provenance(CELLS),
    Sources(),
)


def cost_page(results: CostResults) -> tuple[str, Mapping[str, bytes]]:
    """Return a cost suite's page in Markdown, and the figures that it shows: file name -> SVG."""
    whole = rendered(SECTIONS, results)
    return "\n\n".join(whole.parts) + "\n", whole.figures


def write_cost_pages(results: CostResults, leaderboard: Path) -> Path:
    """Write a cost suite's page and its figures, and rebuild the index.

    This writes `leaderboard/<suite>.md`, the figures `leaderboard/figures/<suite>-*.svg` with their manifest, and
    `leaderboard/README.md`. Figures of the suite that the page no longer shows are removed. The same journals give the
    same bytes.

    Returns:
        The page's path.

    Raises:
        SoftalError: if the suite has the name of the index, or a file cannot be read or written.
    """
    return publish(leaderboard, results.suite.name, *cost_page(results))
