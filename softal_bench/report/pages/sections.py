"""A page is a list of sections. This module has their contract, and the sections that pages of both kinds share.

A section is an object with one method, `render`, which turns results into paragraphs of Markdown and figures. A section
that has nothing to say renders to nothing. To add a section to a page, write its class and enter it in the page's list,
in `trials.py` or `cost.py`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from softal_bench.errors import one_line
from softal_bench.journal.lines import FAILURES, Status
from softal_bench.records.cells import Cell
from softal_bench.records.lookup import Problem
from softal_bench.records.trials import Trial
from softal_bench.report.figures.drawing import to_svg
from softal_bench.report.pages.markdown import counted, escape_block, table
from softal_bench.report.pages.publishing import Entry, to_comment
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.tables import METHOD, by_method
from softal_bench.suite import AnyCondition


@dataclass(frozen=True)
class Rendered:
    """What a section adds to a page.

    Attributes:
        parts: paragraphs, headings, lists and tables in Markdown, in order.
        figures: the figures that they show, file name -> SVG.
    """

    parts: Sequence[str] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)


ResultsT = TypeVar("ResultsT")
JobT = TypeVar("JobT", bound=Trial | Cell)
ContextT_contra = TypeVar("ContextT_contra", contravariant=True)


class Section(Protocol[ContextT_contra]):
    """A section of a page; its context is the results of a suite, or one setting of them."""

    def render(self, context: ContextT_contra, /) -> Rendered:
        """Return the section's Markdown and figures, which depend on the context alone."""


def rendered(sections: Iterable[Section[ResultsT]], context: ResultsT) -> Rendered:
    """Return what sections render to, one after the other."""
    return joined(section.render(context) for section in sections)


def joined(several: Iterable[Rendered]) -> Rendered:
    """Return the parts and the figures of several renderings, in order."""
    parts: list[str] = []
    figures: dict[str, bytes] = {}
    for one in several:
        parts += one.parts
        figures |= one.figures
    return Rendered(parts, figures)


def shown_figure(suite_name: str, what: str, number: int, figure: Figure, caption: str) -> Rendered:
    """Return a figure with the Markdown that shows it.

    Its file name is `<suite>-<what>.svg`; from a page's second setting on, `<suite>-<what>.<number>.svg`.

    Args:
        suite_name: the suite's name.
        what: the part of the file name that says what the figure shows.
        number: the number of the setting on the page, from 1.
        figure: the figure.
        caption: Markdown that readers see if they do not see the figure.
    """
    name = f"{suite_name}-{what}{f'.{number}' if number > 1 else ''}.svg"
    return Rendered([f"![{caption}](figures/{name})"], {name: to_svg(figure)})


@dataclass(frozen=True)
class Jobs(Generic[ResultsT, JobT]):
    """How sections that pages of both kinds share refer to the jobs of a suite, which are trials or cost cells.

    Attributes:
        noun: "trial" or "cell".
        of: returns all jobs of the results, in order.
        place: returns the columns that identify a job, METHOD among them.
        shown_keys: the keys of a condition that all tables of the page show.
    """

    noun: str
    of: Callable[[ResultsT], Sequence[JobT]]
    place: Callable[[JobT], dict[str, str]]
    shown_keys: frozenset[str] = frozenset()

    @property
    def plural(self) -> str:
        """The noun's plural."""
        return f"{self.noun}s"


class SuiteOfConditions(Protocol):
    """What suites of both kinds have in common."""

    @property
    def name(self) -> str:
        """The name, which is that of the page's file."""

    @property
    def title(self) -> str | None:
        """The title, if the suite has one."""

    @property
    def description(self) -> str:
        """Paragraphs that introduce the suite."""

    @property
    def varied(self) -> Sequence[str]:
        """The keys that have more than one value."""

    @property
    def conditions(self) -> Sequence[AnyCondition]:
        """The conditions, in the file's order."""


class SuiteResults(Protocol):
    """What the results of suites of both kinds have in common."""

    @property
    def suite(self) -> SuiteOfConditions:
        """The suite."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The journals that cannot be read."""


SuiteResultsT = TypeVar("SuiteResultsT", bound=SuiteResults)


@dataclass(frozen=True)
class Opening(Generic[SuiteResultsT, JobT]):
    """The entry for the index, the title, and the suite's description."""

    jobs: Jobs[SuiteResultsT, JobT]

    def render(self, results: SuiteResultsT) -> Rendered:
        suite, jobs = results.suite, self.jobs.of(results)
        paragraphs = [text for text in re.split(r"\n\s*\n", suite.description) if text.strip()]
        summary = one_line(suite.description.strip().split("\n\n")[0])
        num_done = sum(job.status == Status.DONE for job in jobs)
        entry = Entry(suite.title or suite.name, summary, num_done, len(jobs), self.jobs.plural)
        title = f"# {escape_block(suite.title or suite.name)}"
        return Rendered([to_comment(entry), title, *map(escape_block, paragraphs)])


@dataclass(frozen=True)
class Failures(Generic[SuiteResultsT, JobT]):
    """How many jobs of each method failed or exceeded a limit, and how. Renders to nothing if none did.

    Attributes:
        jobs: the jobs.
        heading: the section's heading.
        listed: the statuses of the jobs that are listed with their errors.
    """

    jobs: Jobs[SuiteResultsT, JobT]
    heading: str
    listed: Collection[Status] = FAILURES

    def render(self, results: SuiteResultsT) -> Rendered:
        jobs = self.jobs.of(results)
        if not any(job.status in FAILURES for job in jobs):
            return Rendered()
        rows = [
            {
                **self.jobs.place(job),
                "Status": job.status.words,
                "Key": job.key,
                "Error": _line_that_says_what_happened(job.error),
            }
            for job in jobs
            if job.status in self.listed
        ]
        errors = [table(pd.DataFrame(rows).set_index(METHOD), align="left")] if rows else []
        return Rendered([f"## {self.heading}", table(self._counts(jobs)), *errors])

    def _counts(self, jobs: Sequence[JobT]) -> pd.DataFrame:
        """Return the number of jobs of each method by status, including methods without failures for comparison."""
        statuses = {label: [job.status for job in of_method] for label, of_method in by_method(jobs).items()}
        occurring = {status for found in statuses.values() for status in found}
        shown = [status for status in Status if status in {Status.DONE, *FAILURES, *occurring}]
        rows = [[str(len(found)), *(str(found.count(status)) for status in shown)] for found in statuses.values()]
        columns = [self.jobs.plural.capitalize(), *(status.words.capitalize() for status in shown)]
        return pd.DataFrame(rows, index=pd.Index(list(statuses), name=METHOD), columns=columns, dtype=object)


def _line_that_says_what_happened(error: str, limit: int = 300) -> str:
    """Return the first line of an error, or the last line of a traceback, cut if it is too long."""
    lines = [line for line in error.splitlines() if line.strip()] or [ABSENT]
    line = one_line(lines[-1] if lines[0].startswith("Traceback") else lines[0])
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


@dataclass(frozen=True)
class Stale(Generic[SuiteResultsT, JobT]):
    """The jobs that were computed with code that differs from the installed code. Renders to nothing without any."""

    jobs: Jobs[SuiteResultsT, JobT]

    def render(self, results: SuiteResultsT) -> Rendered:
        stale = [job for job in self.jobs.of(results) if job.status == Status.STALE]
        if not stale:
            return Rendered()
        counts = "; ".join(f"{label}: {len(of_method)}" for label, of_method in by_method(stale).items())
        sentence = f"Stale: {counted(len(stale), self.jobs.noun)} ({counts})."
        cells = pd.DataFrame([{**self.jobs.place(job), **self._change(job)} for job in stale]).set_index(METHOD)
        explanation = (
            "Each is finished, but the source code of a plugin has changed since then, so it does not count as done "
            "above. `softal-bench run --fresh` computes it again."
        )
        heading = f"## Stale {self.jobs.plural}"
        return Rendered([heading, f"{escape_block(sentence)} {explanation}", table(cells, align="left")])

    def _change(self, job: JobT) -> dict[str, str]:
        assert job.record is not None
        assert job.record.stale is not None
        line = job.record.stale
        plugins = [f"{one.name} {one.recorded}, now {one.installed}" for one in line.plugins]
        return {"Key": job.key, "Source that it was computed with": "; ".join(plugins), "Since": str(line.time)}


class Unreadable:
    """The journals that cannot be read. Renders to nothing if all can be read."""

    def render(self, results: SuiteResults) -> Rendered:
        lines = [f"- {escape_block(f'{problem.path.name}: {problem.message}')}" for problem in results.problems]
        return Rendered(["## Journals that cannot be read", "\n".join(lines)] if lines else [])
