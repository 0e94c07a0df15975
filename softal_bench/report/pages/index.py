"""The index of the leaderboard: a line for each suite page in its folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from softal_bench.errors import one_line
from softal_bench.machine.files import disk_errors, write_atomically
from softal_bench.report.pages.markdown import escape, link
from softal_bench.suite import AnySuite

_MARK = "<!-- softal-bench suite page: "
_END = " -->"
NAME = "README.md"


@dataclass(frozen=True)
class Entry:
    """What the index tells of a page; stands on the page's first line, in a comment."""

    title: str
    summary: str
    done: int
    total: int
    unit: str


def entry(suite: AnySuite, done: int, total: int, unit: str) -> Entry:
    """Return the index's entry of a suite; its summary is the first paragraph of the description.

    Args:
        suite: the suite.
        done: how many of its trials or cells are done.
        total: how many it has.
        unit: "trials" or "cells".
    """
    summary = one_line(suite.description.strip().split("\n\n")[0])
    return Entry(suite.title or suite.name, summary, done, total, unit)


def to_comment(of: Entry) -> str:
    """Return an entry as a Markdown comment; no text in it can end the comment."""
    data = json.dumps(asdict(of))
    for character in "-<>":
        data = data.replace(character, f"\\u{ord(character):04x}")
    return f"{_MARK}{data}{_END}"


def from_comment(line: str) -> Entry | None:
    """Return the entry on a page's first line, or None where there is none."""
    if not (line.startswith(_MARK) and line.endswith(_END)):
        return None
    try:
        data = json.loads(line[len(_MARK) : -len(_END)])
        texts = {name: str(data[name]) for name in ("title", "summary", "unit")}
        return Entry(**texts, done=int(data["done"]), total=int(data["total"]))
    except (ValueError, KeyError, TypeError):
        return None


def write_index(leaderboard: Path) -> Path:
    """Rebuild `leaderboard/README.md` from the suite pages in the folder, by file name; return its path.

    Raises:
        SoftalError: if a page cannot be read, or the index not written.
    """
    lines = [
        "# Leaderboard",
        "",
        "One page a suite, rebuilt from journals by `softal-bench run` and `softal-bench leaderboard`; "
        "edit nothing here by hand.",
        "",
        "| Suite | What it measures | Done |",
        "| :-- | :-- | --: |",
        *(_line(path, found) for path, found in _pages(leaderboard)),
    ]
    path = leaderboard / NAME
    write_atomically(path, ("\n".join(lines) + "\n").encode())
    return path


def _line(path: Path, found: Entry) -> str:
    done = f"{found.done} of {found.total} {escape(found.unit)}"
    return f"| {link(found.title, path.name)} | {escape(found.summary)} | {done} |"


def _pages(leaderboard: Path) -> list[tuple[Path, Entry]]:
    pages = []
    for path in sorted(leaderboard.glob("*.md")):
        with disk_errors(path), path.open(encoding="utf-8", errors="replace") as file:
            found = from_comment(file.readline().rstrip("\n"))
        if found:
            pages.append((path, found))
    return pages
