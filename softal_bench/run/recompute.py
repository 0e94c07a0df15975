"""Computing jobs again: stale journals, `run --fresh` and `run --retry`. No result is deleted.

**Stale.** A header records the digest of the source of each plugin. If the digest of the installed plugin differs, a
stale line is appended to a finished journal, so that pages, which are made without plugins, do not show it as current.
If the digests agree again later, another line withdraws it. An unfinished journal is set aside and restarted, because a
journal must not mix rounds of two versions. Journals without digests and plugins whose source cannot be read are never
stale.

**Fresh.** `run --fresh` sets journals aside and marks every job that it will compute, before it computes the first one.
The mark is removed when the job's new journal begins; the header of that journal says "fresh". While the mark or this
header exists, no published record of the job counts, so that a run without `--fresh` continues what `--fresh` began.

**Retry.** `run --retry` reopens journals that ended in a failure. They continue after the rounds that remain valid. A
published record is not changed; it is copied to the runs folder, and the copy is reopened.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from softal_bench.errors import JournalError, StorageError
from softal_bench.journal import file as journal
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import FAILURES, PluginChange, PluginSource, Retry, Stale, Status, now
from softal_bench.journal.origin import plugins
from softal_bench.machine.files import make_folder, read_regular, sync_folder, write_atomically
from softal_bench.registry import registries
from softal_bench.run.jobs import C, Job
from softal_bench.suite import AnyCondition

WHY_STALE = "computed with code that differs from the installed code"
RETRIED = FAILURES
ASIDE = "aside"
_MARKS = ".fresh"


@dataclass
class Survey:
    """The result of comparing the journals of some jobs with the installed plugins.

    Attributes:
        changes: the changed plugins of each finished journal that has any, by path.
        to_restart: the changed plugins of each unfinished journal that has any, by the key of the job.
        not_written: the reason for each journal to which a stale line could not be written, by path.
    """

    changes: dict[Path, list[PluginChange]] = field(default_factory=dict)
    to_restart: dict[str, list[PluginChange]] = field(default_factory=dict)
    not_written: dict[Path, str] = field(default_factory=dict)


def changes_since(record: Journal, condition: AnyCondition) -> list[PluginChange]:
    """Return the plugins of a condition whose installed source can give other results than the recorded one.

    Raises:
        PluginError: if the list of equivalent sources of a distribution cannot be read.
    """
    return changed(record.header.plugins or [], plugins(condition))


def changed(recorded: Iterable[PluginSource], installed: Iterable[PluginSource]) -> list[PluginChange]:
    """Return the plugins of a header whose source in a list of installed plugins can give other results.

    Raises:
        PluginError: as `changes_since`.
    """
    here = {(plugin.kind, plugin.name): plugin.source for plugin in installed}
    found: dict[PluginChange, None] = {}
    for plugin in recorded:
        there, now_there = plugin.source, here.get((plugin.kind, plugin.name))
        if there is None or now_there is None:
            continue
        if not registries[plugin.kind].same_results(plugin.name, there, now_there):
            found[PluginChange(kind=plugin.kind, name=plugin.name, recorded=there, installed=now_there)] = None
    return list(found)


def survey(jobs: Sequence[Job[Any]], records: Path, *, write: bool) -> Survey:
    """Compare the journals of jobs, and their published records, with the installed plugins.

    Args:
        jobs: the jobs whose journals are compared.
        records: the folder of published records of their suite.
        write: whether to write stale lines to finished journals. Journals that another runner has locked are skipped.

    Raises:
        PluginError: as `changes_since`.
    """
    found = Survey()
    for job in jobs:
        for path in (job.path, records / job.path.name):
            record = _with_sources(path)
            if record is None or record.header.key != job.key:
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

    Returns:
        These jobs, with the paths of their old journals.

    Raises:
        StorageError: if a file cannot be written or moved.
        PluginError: as `changes_since`.
    """
    kept = []
    for job in jobs:
        with journal.locked(job.path) as mine:
            record = _with_sources(job.path) if mine else None
            if record is None or record.end is not None or not changes_since(record, job.condition):
                continue
            if record.header.fresh or record.reopened:  # it counts instead of a published record, and so must the new
                mark(job.path)
            if path := set_aside(job.path):
                kept.append((job, path))
    return kept


def begin_again(jobs: Sequence[Job[Any]]) -> list[Job[Any]]:
    """Set the journals of these jobs aside and mark the jobs, except those whose lock another runner holds.

    Returns:
        The jobs that another runner has locked.

    Raises:
        StorageError: if a file cannot be written or moved.
    """
    return [job for job in jobs if not _begun_again(job)]


def set_aside(path: Path) -> Path | None:
    """Rename a journal to a free name `aside/<key>.jsonl.<number>` and return its new path.

    Return None if there is no journal. The caller holds its lock. The new name does not end in `.jsonl`, so that no
    command mistakes the file for a journal.

    Raises:
        StorageError: if the file cannot be moved.
    """
    if not path.exists():
        return None
    number = 1
    while (kept := path.parent / ASIDE / f"{path.name}.{number}").exists():
        number += 1
    try:
        make_folder(kept.parent)
        path.rename(kept)
        sync_folder(kept.parent)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: cannot be moved to {kept}: {error.strerror}") from error
    return kept


def mark(path: Path) -> None:
    """Record that the journal at `path` has to be computed even if a record of its job is published.

    Raises:
        StorageError: if the mark cannot be written.
    """
    try:
        make_folder(_mark(path).parent)
        _mark(path).touch()
        sync_folder(_mark(path).parent)
    except OSError as error:
        raise StorageError(f"{_mark(path)}: cannot be written: {error.strerror}") from error


def is_marked(path: Path) -> bool:
    """Return whether the journal at `path` is marked, which means that it has not begun."""
    return _mark(path).exists()


def unmark(path: Path) -> None:
    """Remove the mark, if there is one."""
    _mark(path).unlink(missing_ok=True)


def ended_as(jobs: Sequence[Job[C]], statuses: Collection[Status]) -> list[Job[C]]:
    """Return the jobs whose journals can be read and end with one of these statuses."""
    return [job for job in jobs if _status(job) in statuses]


def reopen(jobs: Sequence[Job[C]], statuses: Collection[Status]) -> list[Job[C]]:
    """Reopen the journals of these jobs, except those that another runner has locked or has already reopened.

    Returns:
        The jobs whose journals were reopened. They remain unfinished until a runner continues them.

    Raises:
        StorageError: if a journal cannot be written.
    """
    return [job for job in jobs if _reopened(job, statuses)]


def _with_sources(path: Path) -> Journal | None:
    """Return the journal at `path`, or None if it cannot be read or its header records no plugins."""
    try:
        if b'"plugins"' not in read_regular(path, follow_links=False):  # a fast test; parsing the lines is slow
            return None
        return journal.read_started(path)
    except (OSError, JournalError):
        return None


def _needs_stale_line(record: Journal, changes: Sequence[PluginChange]) -> bool:
    return bool(changes) != (record.stale is not None)


def _append_stale_line(path: Path, condition: AnyCondition) -> None:
    """Append a stale line, or one that withdraws it, to a finished journal if its last one is no longer correct."""
    with journal.locked(path) as mine:
        record = _with_sources(path) if mine else None
        if record is None or record.end is None:
            return
        changes = changes_since(record, condition)
        if _needs_stale_line(record, changes) and (changes or not _is_unknown(record, condition)):
            journal.append(path, Stale(time=now(), plugins=changes))


def _is_unknown(record: Journal, condition: AnyCondition) -> bool:
    """Return whether the source of a plugin that made a journal stale cannot be read now, and may still differ."""
    unknown = {(plugin.kind, plugin.name) for plugin in plugins(condition) if plugin.source is None}
    marked = record.stale.plugins if record.stale else []
    return any((plugin.kind, plugin.name) in unknown for plugin in marked)


def _begun_again(job: Job[Any]) -> bool:
    with journal.locked(job.path) as mine:
        if mine:
            # First set aside: if this process ended in between, a marked old journal would count as the new one.
            set_aside(job.path)
            mark(job.path)
        return mine


def _mark(path: Path) -> Path:
    return path.parent / _MARKS / path.stem


def _reopened(job: Job[C], statuses: Collection[Status]) -> bool:
    with journal.locked(job.path) as mine:
        if not mine or _status(job) not in statuses:
            return False
        if job.published is not None:
            set_aside(job.path)
            write_atomically(
                job.path, journal.complete_lines(job.published.record.path), "choose another folder with --runs"
            )
        journal.append(job.path, Retry(time=now()))
        return True


def _status(job: Job[C]) -> Status | None:
    if job.published is not None:
        return job.published.record.status
    try:
        record = journal.read_started(job.path)
    except JournalError:
        return None
    return record.status if record is not None and record.header.key == job.key else None
