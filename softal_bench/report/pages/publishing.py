"""Writing a page to the leaderboard: its file, its figures with their manifest, and the index of all pages.

The manifest, `figures/manifest.json`, lists the figures that each suite's page shows: suite name -> file names. A
figure is removed if the manifest lists it for a suite whose page, written anew, does not show it. Names of files are
not interpreted, since the name of one suite may begin like that of another one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic_core import from_json

from softal_bench.errors import SoftalError
from softal_bench.machine.files import disk_errors, read_regular, write_atomically
from softal_bench.report.pages.markdown import escape, link

INDEX = "README.md"
MANIFEST = "manifest.json"
_COMMENT_START = "<!-- softal-bench suite page: "
_COMMENT_END = " -->"


def publish(leaderboard: Path, suite_name: str, text: str, figures: Mapping[str, bytes]) -> Path:
    """Write a page and its figures, remove figures that it no longer shows, and rebuild the index.

    Args:
        leaderboard: the leaderboard's folder.
        suite_name: the suite's name, which is the name of the page's file without `.md`.
        text: the page in Markdown.
        figures: the figures that the page shows, file name -> SVG.

    Returns:
        The page's path.

    Raises:
        SoftalError: if the suite has the name of the index, or a file cannot be read or written.
    """
    path = leaderboard / f"{suite_name}.md"
    if path.name.lower() == INDEX.lower():
        raise SoftalError(
            f"{path}: the leaderboard's index has this path, so no suite can be named {suite_name!r}; rename the suite"
        )
    folder = leaderboard / "figures"
    for file_name, data in figures.items():
        write_atomically(folder / file_name, data)
    write_atomically(path, text.encode())
    _remove_stale_figures(folder, suite_name, figures)
    write_index(leaderboard)
    return path


def read_manifest(folder: Path) -> dict[str, list[str]]:
    """Read the manifest of a folder of figures: suite name -> names of the figures on its page.

    The manifest may have been damaged or edited. An entry that is not a list of names of SVG files in this folder is
    left out, so that nothing outside the folder is ever removed. A missing or damaged manifest is empty.

    Raises:
        SoftalError: if the file exists but the disk refuses to read it.
    """
    path = folder / MANIFEST
    try:
        with disk_errors(path):
            data = read_regular(path) if path.exists() else b"{}"
        found = from_json(data)  # unlike json.loads, it bounds how deep brackets may nest
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        suite_name: sorted(set(names))
        for suite_name, names in found.items()
        if isinstance(names, list) and all(isinstance(name, str) and _is_figure_name(name) for name in names)
    }


def _is_figure_name(name: str) -> bool:
    return name.endswith(".svg") and name.isprintable() and not set(name) & set('/\\:*?"<>|') and name[0] != "."


def _remove_stale_figures(folder: Path, suite_name: str, figures: Mapping[str, bytes]) -> None:
    """Remove the suite's figures that its page no longer shows, and enter those that it shows in the manifest.

    If two processes publish at the same time, one entry may be lost. Figures are then kept that could be removed; a
    figure that a page shows is never removed.
    """
    manifest = read_manifest(folder)
    known = manifest.pop(suite_name, [])
    of_others = {name for names in manifest.values() for name in names}
    for name in set(known) - set(figures) - of_others:
        path = folder / name
        with disk_errors(path):
            if path.is_file() or path.is_symlink():
                path.unlink(missing_ok=True)
    if figures:
        manifest[suite_name] = sorted(figures)
    if manifest or (folder / MANIFEST).exists():
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        write_atomically(folder / MANIFEST, f"{text}\n".encode())


@dataclass(frozen=True)
class Entry:
    """What the index says about a page. It is stored in a comment on the page's first line."""

    title: str
    summary: str
    done: int
    total: int
    unit: str


def to_comment(entry: Entry) -> str:
    """Return an entry as a Markdown comment. Characters that could end the comment are escaped."""
    data = json.dumps(asdict(entry))
    for character in "-<>":
        data = data.replace(character, f"\\u{ord(character):04x}")
    return f"{_COMMENT_START}{data}{_COMMENT_END}"


def from_comment(line: str) -> Entry | None:
    """Return the entry on a page's first line, or None if the line has none."""
    if not (line.startswith(_COMMENT_START) and line.endswith(_COMMENT_END)):
        return None
    try:
        data = from_json(line[len(_COMMENT_START) : -len(_COMMENT_END)])
        texts = {name: str(data[name]) for name in ("title", "summary", "unit")}
        return Entry(**texts, done=int(data["done"]), total=int(data["total"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def write_index(leaderboard: Path) -> Path:
    """Rebuild `leaderboard/README.md` from the pages in the folder, ordered by file name; return its path.

    Raises:
        SoftalError: if a page cannot be read, or the index cannot be written.
    """
    lines = [
        "# Leaderboard",
        "",
        "This table lists one page for each suite. `softal-bench run` and `softal-bench leaderboard` write the pages "
        "from journals; do not edit them by hand.",
        "",
        "| Suite | What it measures | Done |",
        "| :-- | :-- | --: |",
    ]
    for path in sorted(leaderboard.glob("*.md")):
        with disk_errors(path):
            first_line = read_regular(path).partition(b"\n")[0]
        entry = from_comment(first_line.decode(errors="replace"))
        if entry:
            done = f"{entry.done} of {entry.total} {escape(entry.unit)}"
            lines.append(f"| {link(entry.title, quote(path.name))} | {escape(entry.summary)} | {done} |")
    path = leaderboard / INDEX
    write_atomically(path, ("\n".join(lines) + "\n").encode())
    return path
