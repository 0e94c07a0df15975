"""The leaderboard's page of the side-by-side timings, in Markdown, written from their record alone."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from softal_bench.errors import one_line
from softal_bench.report.pages.markdown import escape_block, table
from softal_bench.report.pages.publishing import Entry, publish, to_comment
from softal_bench.report.stats.numbers import ABSENT, median_and_quartiles, significant, size
from softal_bench.report.stats.statistics import quartiles
from softal_bench_peers.compare.records import Comparison, Together, Value, read_comparisons

NAME = "compare"
TITLE = "Speed compared with other implementations"
_SUMMARY = (
    "Seconds that this suite and other implementations need for the same work on the same inputs. Both sides are "
    "measured in turn in one run, and their answers are compared."
)
_READING = (
    "Seconds are medians with their quartiles in brackets, from n samples of each side after a warm-up. The two sides "
    "take turns, and the side that goes first alternates, so that a change in the machine's speed affects both. The "
    "ratio is the peer's median divided by ours; its brackets are the quartiles of the ratios of the n pairs. Both "
    "sides get the same inputs, threads and dtype, and their answers are compared; the text under each table says "
    "what counts as the same answer. Rows without a peer show this suite alone."
)
_LIMITS = (
    "These numbers come from one machine. Another processor, number of threads or version of PyTorch changes both "
    "sides, and not by the same factor. Both sides run warm, in one process unless stated otherwise; imports, reading "
    "data and conversion to a peer's layout are not timed. A peer is called as its documentation shows, with progress "
    "bars disabled. If it lets the caller choose a size, the fastest size that was tried is used. Objects created "
    "before the timers start are exempt from Python's garbage collection on both sides. Otherwise, a peer that "
    "collects garbage after every chunk would be charged for everything that the process has imported, which on a "
    "small pool is many times its own work."
)
_APART = (
    "**The rows below form {count} groups that were not measured together.** The rows of a group share the start of "
    "the command that measured them, the version of PyTorch and the processor, as far as these are recorded. Do not "
    "compare seconds or ratios of one group with those of another: only the two sides of a row were measured in turn."
)
_NO_RUN = (
    "The record does not say in which run these rows were measured. They may come from several runs of that day, with "
    "different software under test. Only the two sides of one row are known to have been measured together."
)
_REBUILT = "`make compare` takes these measurements, and writes `records/compare.json` and this page from it."
_FACTS = {
    "run": "Start of the run (UTC)",
    "device_name": "Device",
    "processor": "Processor",
    "threads": "CPU threads",
    "platform": "Platform",
    "python": "Python",
    "packages": "Packages",
    "date": "Dates (UTC)",
}


def write_comparison(leaderboard: Path) -> Path:
    """Write `compare.md` from `records/compare.json`, both in the leaderboard's folder, and rebuild the index.

    The same record gives the same bytes.

    Returns:
        The page's path.

    Raises:
        SoftalError: if the record cannot be read, or a file cannot be written.
    """
    record = leaderboard / "records" / f"{NAME}.json"
    return publish(leaderboard, NAME, comparison_page(read_comparisons(record)), {})


def comparison_page(comparisons: Sequence[Comparison]) -> str:
    """Return the page in Markdown, with a section for each group of rows that were measured together, newest first.

    Each row is in one group, so no table has rows from two runs, two versions of PyTorch or two machines.
    """
    compared = [one for one in comparisons if one.same_answer is not None]
    agree = sum(bool(one.same_answer) for one in compared)
    parts = [to_comment(Entry(TITLE, _SUMMARY, agree, len(compared), "answers the same")), f"# {TITLE}", _SUMMARY]
    parts += [f"**{agree} of {len(compared)} answers that were compared are the same.**", _READING]
    groups = _measured_together(comparisons)
    parts += [_APART.format(count=len(groups))] if len(groups) > 1 else []
    for together, rows in groups.items():
        parts += _group(together, rows)
    parts += ["## Limits", _LIMITS]
    if not any(one.device == "cuda" for one in comparisons):
        parts.append("CUDA was not measured; all rows come from a CPU.")
    parts.append(_REBUILT)
    return "\n\n".join(parts) + "\n"


def timings(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return a row of texts for each comparison: seconds of both sides, ratio, and whether the answers agree."""
    rows = [
        {
            "Setting": one.setting,
            "Peer": one.peer or ABSENT,
            "Peer, s": median_and_quartiles(one.peer_seconds),
            "Ours, s": median_and_quartiles(one.our_seconds),
            "Ratio": _ratio(one),
            "Same answer": {True: "yes", False: "NO", None: ABSENT}[one.same_answer],
            "n": str(len(one.our_seconds)),
        }
        for one in comparisons
    ]
    frame = pd.DataFrame(rows).set_index("Setting")
    if all(one.peer is None for one in comparisons):
        frame = frame.drop(columns=["Peer", "Peer, s", "Ratio"])
    return frame


def details(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return further figures as texts, with a row for each comparison that has some and a column for each figure.

    If there are more figures than comparisons, rows and columns are exchanged.
    """
    having = [one for one in comparisons if one.details]
    names = _distinct(name for one in having for name in one.details)
    rows = [
        {"Setting": one.setting, "Peer": one.peer or ABSENT} | {name: _text(one.details.get(name)) for name in names}
        for one in having
    ]
    frame = pd.DataFrame(rows, columns=["Setting", "Peer", *names]).set_index("Setting")
    if frame["Peer"].nunique() < 2:
        frame = frame.drop(columns="Peer")
    return frame.T.rename_axis("Figure") if len(names) > len(having) else frame


def _measured_together(comparisons: Sequence[Comparison]) -> dict[Together, list[Comparison]]:
    """Group the rows, newest group first. Within a group they are in the record's order."""
    groups: dict[Together, list[Comparison]] = {}
    for one in comparisons:
        groups.setdefault(one.together, []).append(one)
    newest_first = sorted(groups, key=lambda together: (together.when, together), reverse=True)
    return {together: groups[together] for together in newest_first}


def _group(together: Together, comparisons: Sequence[Comparison]) -> list[str]:
    torch = f"torch {together.torch}" if together.torch else "version of torch not recorded"
    when = f"Measured {together.when}" if together.when else "Measured at an unrecorded time"
    parts = [f"## {escape_block(f'{when}, {torch}')}", *_provenance(comparisons)]
    if not together.run:
        parts.append(_NO_RUN)
    for work in _distinct(one.work for one in comparisons):
        parts += _section(work, [one for one in comparisons if one.work == work])
    return parts


def _section(work: str, comparisons: Sequence[Comparison]) -> list[str]:
    parts = [f"### {escape_block(work[:1].upper() + work[1:])}", table(timings(comparisons))]
    parts += [escape_block(method) for method in _distinct(one.method for one in comparisons if one.method)]
    further = details(comparisons)
    return [*parts, table(further)] if len(further) else parts


def _ratio(one: Comparison) -> str:
    if one.ratio is None:
        return ABSENT
    low, _, high = quartiles(one.paired_ratios)
    return f"{significant(one.ratio)} [{significant(low)}, {significant(high)}]"


def _text(value: Value | None) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return size(value)
    return f"{value:.2g}" if 0 < abs(value) < 1e-3 else f"{'-' * (value < 0)}{significant(abs(value))}"


def _provenance(comparisons: Sequence[Comparison]) -> list[str]:
    known = []
    for key, name in _FACTS.items():
        values = sorted({one_line(_fact(one.environment[key])) for one in comparisons if key in one.environment})
        if values:
            known.append("- " + escape_block(f"{name}: {'; '.join(values)}"))
    return ["\n".join(known)] if known else []


def _fact(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
