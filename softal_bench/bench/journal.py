"""The journal of a trial: one JSON-lines file, written a line at a time and never rewritten.

Lines: a header; an attempt each time a runner takes the trial up; a round for each labelled set measured (in a cost
suite one cost line); an interrupt where the user stopped it; an end with the status. A line is handed to the system
before the trial goes on, so that no death of the process loses it, and is on the disk before the next one is written,
so that a power failure loses the last one at most: the trial does not wait for the disk meanwhile. A last line without
its newline was torn by a crash: it is dropped on reading, and cut off before the next line is written.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from softal_bench.errors import JournalError, StorageError

SCHEMA = 1
Line = dict[str, Any]
_REQUIRED = {
    "header": {"schema", "suite", "key", "condition", "trial", "start"},
    "round": {"round", "labels", "accuracy", "nll", "acquired", "seconds", "peak_bytes"},
    "cost": {
        "batch_size",
        "pool_size",
        "posterior_samples",
        "num_classes",
        "source",
        "status",
        "seconds",
        "peak_bytes",
    },
    "end": {"status"},
}
_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)
_ANEW = "move the file away to run the trial anew"


@dataclass(frozen=True)
class TrialRecord:
    """A journal as read.

    Attributes:
        path: the file.
        header: the first line.
        rounds: the lines of kind "round", or of kind "cost" in a cost suite, in order.
        attempts: the lines of kind "attempt", each with `rounds_before` (how many rounds stood before it) and
            `interrupted` (whether the user stopped it).
        end: the last line, or None while the trial is unfinished.
    """

    path: Path
    header: Line
    rounds: list[Line]
    attempts: list[Line]
    end: Line | None

    @property
    def status(self) -> str:
        """ "done", "failed", "timeout", "out_of_memory", or "unfinished"."""
        return str(self.end["status"]) if self.end else "unfinished"

    @property
    def died_twice(self) -> bool:
        """Whether the last two attempts ended in the same round, with neither an interrupt nor an end."""
        if self.end or len(self.attempts) < 2:
            return False
        before_last, last = self.attempts[-2:]
        same_round = last["rounds_before"] == len(self.rounds)
        return same_round and not before_last["interrupted"] and not last["interrupted"]


def read(path: Path) -> TrialRecord:
    """Read a journal.

    Raises:
        JournalError: if the file cannot be read, is no journal, or is of a schema newer than this one.
    """
    lines = list(_parsed(path, _bytes(path)))
    if not lines or lines[0].get("kind") != "header":
        raise JournalError(f"{path}: not a journal: the first line is no header; {_ANEW}")
    if lines[0].get("schema") != SCHEMA:
        raise JournalError(
            f"{path}: written with schema {lines[0].get('schema')!r}, this version reads {SCHEMA}; update softal-bench"
        )
    rounds: list[Line] = []
    attempts: list[Line] = []
    end: Line | None = None
    for line in lines[1:]:
        kind = line.get("kind")  # lines of kinds unknown to this version are passed over
        if kind in ("round", "cost"):
            rounds.append(line)
        elif kind == "attempt":
            attempts.append({**line, "rounds_before": len(rounds), "interrupted": False})
        elif kind == "interrupt" and attempts:
            attempts[-1]["interrupted"] = True
        elif kind == "end":
            end = line
    return TrialRecord(path, lines[0], rounds, attempts, end)


def is_empty(path: Path) -> bool:
    """Whether no complete line has been written (the file is missing, empty, or its header was torn).

    Raises:
        JournalError: if the file cannot be read.
    """
    return not path.exists() or b"\n" not in _bytes(path)


class JournalWriter:
    """Appends lines to a journal, each of them flushed to the disk while the trial goes on.

    Raises:
        StorageError: if the disk refuses a line, at the latest by the next one or by `close`; the lines before it
            stand.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
            self._cut_torn_line()
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._flushing: Future[None] | None = None

    def write(self, line: Line) -> None:
        """Wait until the line before is on the disk, append this one, and let the disk write it."""
        data = _ENCODER.encode(line).encode() + b"\n"
        with self._disk_errors():
            self._wait_for_disk()
            self._file.write(data)
            self._file.flush()
            self._flushing = self._disk.submit(os.fsync, self._file.fileno())

    def close(self) -> None:
        """Wait until all lines are on the disk, and close the file."""
        with self._disk_errors():
            try:
                self._wait_for_disk()
            finally:
                self._disk.shutdown()
                self._file.close()

    def _wait_for_disk(self) -> None:
        flushing, self._flushing = self._flushing, None
        if flushing is not None:
            flushing.result()

    def _cut_torn_line(self) -> None:
        data = self.path.read_bytes()
        if data and not data.endswith(b"\n"):
            self._file.truncate(data.rfind(b"\n") + 1)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be written: {error.strerror}; the lines before stand. Make room or permit it, "
                "then run the same command again: it goes on after the last complete line"
            ) from error


@contextmanager
def locked(path: Path, timeout: float = 0) -> Iterator[bool]:
    """Hold the lock of the journal at `path`; yields False if another runner holds it (after `timeout` s; -1 waits)."""
    folder = path.parent / ".locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f"{path.stem}.lock")
        lock.acquire(timeout=timeout)
    except filelock.Timeout:
        yield False
        return
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written: {error.strerror}; choose another folder with --runs"
        ) from error
    try:
        yield True
    finally:
        lock.release()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror}; {_ANEW}") from error


def _parsed(path: Path, data: bytes) -> Iterator[Line]:
    complete, _, _torn = data.rpartition(b"\n")
    for number, text in enumerate(complete.split(b"\n") if complete else [], start=1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise JournalError(f"{path}: line {number} is not JSON; {_ANEW}") from error
        if not isinstance(line, dict):
            raise JournalError(f"{path}: line {number} is no JSON object; {_ANEW}")
        missing = _REQUIRED.get(str(line.get("kind")), set()) - line.keys()
        if missing:
            raise JournalError(f"{path}: line {number} lacks {', '.join(sorted(missing))}; {_ANEW}")
        acquired = line.get("acquired", [])
        if not isinstance(acquired, list) or any(type(index) is not int for index in acquired):
            raise JournalError(f"{path}: line {number}: acquired has to be a list of indices; {_ANEW}")
        yield line
