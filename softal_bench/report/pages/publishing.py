"""Putting a page on the leaderboard: its file, its figures, the index."""

import re
from pathlib import Path

from softal_bench.errors import SoftalError
from softal_bench.machine.files import disk_errors, write_atomically
from softal_bench.report.pages.index import NAME, write_index

Figures = dict[str, bytes]
# The figures of pages of either kind: <suite>-B10.svg, <suite>-seconds.svg, <suite>-against-B.2.svg,
# <suite>-over-temperature.svg.
_FIGURE = r"-(B\d+|course-B\d+|seconds|against-[BN]|over-\w+)(\.\d+)?\.svg"


def figure_name(suite_name: str, what: str, number: int) -> str:
    """Return the file name of a figure: from a page's second section on, with the section's number.

    >>> figure_name("mnist", "B10", 1), figure_name("mnist", "B10", 2)
    ('mnist-B10.svg', 'mnist-B10.2.svg')
    """
    return f"{suite_name}-{what}{f'.{number}' if number > 1 else ''}.svg"


def publish(leaderboard: Path, suite_name: str, text: str, figures: Figures) -> Path:
    """Write a page, its figures and the index anew; return the page's path.

    Figures of the suite that the page no longer shows are removed.

    Raises:
        SoftalError: if the suite is named as the index is, or the disk refuses a file.
    """
    path = leaderboard / f"{suite_name}.md"
    if path.name.lower() == NAME.lower():
        raise SoftalError(
            f"{path}: this is the leaderboard's index, so no suite can be named {suite_name!r}; name it otherwise"
        )
    for file_name, data in figures.items():
        write_atomically(leaderboard / "figures" / file_name, data)
    write_atomically(path, text.encode())
    _remove_stale(leaderboard / "figures", suite_name, figures)
    write_index(leaderboard)
    return path


def _remove_stale(folder: Path, suite_name: str, figures: Figures) -> None:
    """Remove the suite's figures that its page no longer shows; other suites' names cannot match."""
    own = re.compile(re.escape(suite_name) + _FIGURE)
    for path in folder.glob(f"{suite_name}-*.svg"):
        if own.fullmatch(path.name) and path.name not in figures:
            with disk_errors(path):
                path.unlink(missing_ok=True)
