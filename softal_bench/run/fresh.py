"""Recompute jobs that already have a journal. The journal is kept aside, so that nothing that was computed is lost.

`run --fresh` marks every trial that it is to compute, before it computes the first. The mark goes when the trial's new
journal begins, whose header says "fresh". While either is there, no published record of the trial counts, so that a
run without `--fresh` goes on with what `--fresh` began.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from softal_bench.errors import StorageError
from softal_bench.journal import file as journal
from softal_bench.run.jobs import Job

ASIDE = "aside"
_MARKS = ".fresh"


def begin_again(jobs: Sequence[Job[Any]]) -> list[Job[Any]]:
    """Set the journals of these jobs aside and mark the jobs, except those whose lock another runner holds.

    Returns:
        The jobs that another runner has.

    Raises:
        StorageError: if the disk refuses.
    """
    return [job for job in jobs if not _begun_again(job)]


def set_aside(path: Path) -> Path | None:
    """Rename a journal, whose lock is held, to `aside/<key>.jsonl.<number>`, a name that is free; its new path.

    Returns None if there is no journal. The name does not end in `.jsonl`, so no command takes the file for a journal.

    Raises:
        StorageError: if the disk refuses.
    """
    if not path.exists():
        return None
    number = 1
    while (kept := path.parent / ASIDE / f"{path.name}.{number}").exists():
        number += 1
    try:
        kept.parent.mkdir(exist_ok=True)
        path.rename(kept)
    except OSError as error:
        raise StorageError(f"{path}: cannot be moved to {kept}: {error.strerror}") from error
    return kept


def mark(path: Path) -> None:
    """Say that the journal at `path` is to be computed whatever record there is of its trial.

    Raises:
        StorageError: if the disk refuses.
    """
    try:
        _mark(path).parent.mkdir(parents=True, exist_ok=True)
        _mark(path).touch()
    except OSError as error:
        raise StorageError(f"{_mark(path)}: cannot be written: {error.strerror}") from error


def is_marked(path: Path) -> bool:
    """Whether `mark` was called for a journal that has not begun."""
    return _mark(path).exists()


def unmark(path: Path) -> None:
    """Remove the mark, if there is one."""
    _mark(path).unlink(missing_ok=True)


def _begun_again(job: Job[Any]) -> bool:
    with journal.locked(job.path) as mine:
        if mine:
            set_aside(job.path)  # first: a marked journal would count as the new one if this process ended in between
            mark(job.path)
        return mine


def _mark(path: Path) -> Path:
    return path.parent / _MARKS / path.stem
