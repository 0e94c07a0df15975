"""Journals that were written with code that differs from the installed code.

A header records the digest of the source of each plugin. Where the installed plugin has another one, a finished
journal gets a stale line, so that pages, which are made without plugins, do not show it as current; if the digests
agree again later, another line withdraws it. An unfinished journal is set aside and begun again: rounds of two
versions do not mix. Journals without digests, and plugins whose source cannot be read, are never stale.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from softal_bench.errors import JournalError, StorageError
from softal_bench.journal import file as journal
from softal_bench.journal.file import Line, TrialRecord
from softal_bench.journal.origin import plugins
from softal_bench.registry import registries
from softal_bench.run import fresh
from softal_bench.run.jobs import Job
from softal_bench.suite import AnyCondition

STALE = "stale"  # the status of a finished trial whose journal has a stale line
WHY_STALE = "computed with code that differs from the installed code"


@dataclass(frozen=True)
class Change:
    """A plugin whose source is not the one that a journal records.

    Attributes:
        kind: of the plugin, as in the registry.
        name: of the plugin.
        recorded: the digest in the journal.
        installed: the digest of the installed plugin.
    """

    kind: str
    name: str
    recorded: str
    installed: str


@dataclass
class Survey:
    """What the journals of some jobs were written with.

    Attributes:
        changes: of each finished journal that differs from what is installed, in what.
        to_restart: jobs whose journal is unfinished and differs.
        not_written: journals that could not be given a stale line, and why.
    """

    changes: dict[Path, list[Change]] = field(default_factory=dict)
    to_restart: dict[str, list[Change]] = field(default_factory=dict)
    not_written: dict[Path, str] = field(default_factory=dict)


def changes_since(record: TrialRecord, condition: AnyCondition) -> list[Change]:
    """The plugins of a condition whose installed source can give other results than the one that a journal records.

    Raises:
        PluginError: if the list of equivalent sources of a distribution cannot be read.
    """
    return changed(record.header.get("plugins", []), plugins(condition))


def changed(recorded: Iterable[Line], installed: Iterable[Line]) -> list[Change]:
    """Which plugins differ between a header's list and another one.

    Raises:
        PluginError: as `changes_since`.
    """
    here = {(plugin["kind"], plugin["name"]): plugin["source"] for plugin in installed}
    found: dict[Change, None] = {}
    for plugin in recorded:
        kind, name, there = plugin["kind"], plugin["name"], plugin.get("source")
        now = here.get((kind, name))
        if isinstance(there, str) and isinstance(now, str) and not registries[kind].same_results(name, there, now):
            found[Change(kind, name, there, now)] = None
    return list(found)


def survey(jobs: Sequence[Job[Any]], records: Path, *, write: bool) -> Survey:
    """Compare the journals of jobs, and their published records, with what is installed.

    Args:
        jobs: whose journals.
        records: the folder of published records of their suite.
        write: whether finished journals get the lines that say so. A journal that another runner has, or that cannot
            be written, gets none.

    Raises:
        PluginError: as `changes_since`.
    """
    found = Survey()
    for job in jobs:
        for path in (job.path, records / job.path.name):
            record = _with_sources(path)
            if record is None or record.header["key"] != job.key:
                continue
            changes = changes_since(record, job.condition)
            if record.end is None:
                if changes and path == job.path:
                    found.to_restart[job.key] = changes
                continue
            if changes:
                found.changes[path] = changes
            if write and _needs_stale_line(record, changes):
                try:
                    _append_stale_line(path, job.condition)
                except StorageError as error:
                    found.not_written[path] = str(error)
    return found


def restart(jobs: Sequence[Job[Any]]) -> list[tuple[Job[Any], Path]]:
    """Set aside the journals of unfinished jobs that were begun with code that differs from the installed code.

    Return these jobs with the paths of their old journals.

    Raises:
        StorageError: if the disk refuses.
        PluginError: as `changes_since`.
    """
    kept = []
    for job in jobs:
        with journal.locked(job.path) as mine:
            record = _with_sources(job.path) if mine else None
            if record is None or record.end is not None or not changes_since(record, job.condition):
                continue
            if record.is_fresh or record.reopened:  # it counts in place of a published record, and so does the new one
                fresh.mark(job.path)
            if path := fresh.set_aside(job.path):
                kept.append((job, path))
    return kept


def _with_sources(path: Path) -> TrialRecord | None:
    """A journal whose header records plugins; None for any other, and for one that cannot be read."""
    try:
        if b'"plugins"' not in path.read_bytes():  # most of the time of reading goes into the lines
            return None
        return journal.read_started(path)
    except (OSError, JournalError):
        return None


def _needs_stale_line(record: TrialRecord, changes: Sequence[Change]) -> bool:
    return bool(changes) != (record.stale is not None)


def _append_stale_line(path: Path, condition: AnyCondition) -> None:
    """Append the line that says how a finished journal compares with what is installed, if it is not there yet."""
    with journal.locked(path) as mine:
        record = _with_sources(path) if mine else None
        if record is None or record.end is None:
            return
        changes = changes_since(record, condition)
        if not _needs_stale_line(record, changes) or (not changes and _is_unknown(record, condition)):
            return
        writer = journal.JournalWriter(path)
        try:
            writer.write({"kind": "stale", "time": journal.now(), "plugins": [asdict(change) for change in changes]})
        finally:
            writer.close()


def _is_unknown(record: TrialRecord, condition: AnyCondition) -> bool:
    """Whether the source of a plugin that made a journal stale cannot be read now, so that it may still differ."""
    unknown = {(plugin["kind"], plugin["name"]) for plugin in plugins(condition) if plugin["source"] is None}
    marked = record.stale["plugins"] if record.stale else []
    return any((plugin["kind"], plugin["name"]) in unknown for plugin in marked)
