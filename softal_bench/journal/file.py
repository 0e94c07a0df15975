"""The journal of a trial: one JSON-lines file, written a line at a time and never rewritten.

Lines: a header; an attempt each time a runner takes the trial up; a round for each labelled set measured (in a cost
suite one cost line); an interrupt where the user stopped it; an end with the status. A line is handed to the system
before the trial goes on, so that no death of the process loses it, and is on the disk before the next one is written,
so that a power failure loses the last one at most: the trial does not wait for the disk meanwhile. A last line without
its newline was torn by a crash: it is dropped on reading, and cut off before the next line is written.

A retry line after an end reopens the trial. The rounds before it stand, for they follow from the seeds whatever ended
the trial, and the retry goes on after them; a cost line does not, for a cell is one measurement. Where no round stands,
a header follows anew: what failed may have been the data, so that the first one has no start set. The end before a
retry no longer counts, and stays in the file.

A stale line after an end says that the source of some of its plugins differs from what is installed; one without
plugins says that they agree again. The last one counts. See `softal_bench.run.stale`.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock

from softal_bench.errors import JournalError, StorageError, shown
from softal_bench.journal.lines import ANEW, SCHEMA, Line, parsed

__all__ = [
    "SCHEMA",
    "JournalWriter",
    "Line",
    "TrialRecord",
    "complete_lines",
    "is_locked",
    "locked",
    "now",
    "read",
    "read_started",
]
_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)


@dataclass(frozen=True)
class TrialRecord:
    """A journal as read.

    Attributes:
        path: the file.
        header: the first line, or the one that follows a retry without rounds.
        rounds: the lines of kind "round", or of kind "cost" in a cost suite, in order.
        attempts: the lines of kind "attempt", each with `rounds_before` (how many rounds stood before it) and
            `interrupted` (whether it ended by the user's will: stopped, or tried again after its end).
        end: the last line of kind "end", or None while the trial is unfinished.
        needs_header: whether the next line has to be a header.
        reopened: whether a retry line made it unfinished again.
        stale: the last stale line after the end, if it names plugins.
    """

    path: Path
    header: Line
    rounds: list[Line]
    attempts: list[Line]
    end: Line | None
    needs_header: bool = False
    reopened: bool = False
    stale: Line | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether it was begun by `run --fresh`, in place of whatever other record there is of its trial."""
        return self.header.get("fresh") is True

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
    return _record(path, _bytes(path))


def read_started(path: Path) -> TrialRecord | None:
    """Read a journal; None while it has no complete line: the file is missing, empty, or its header was torn.

    Raises:
        JournalError: as `read`.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    return _record(path, data) if b"\n" in data else None


def complete_lines(path: Path) -> bytes:
    """The file without a torn last line.

    Raises:
        JournalError: if the file cannot be read.
    """
    data = _bytes(path)
    return data[: data.rfind(b"\n") + 1]


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
        data = _ENCODER.encode(line).encode(errors="replace") + b"\n"  # half characters cannot be written
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


def now() -> str:
    """The time as lines tell it: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def locked(path: Path, timeout: float = 0) -> Iterator[bool]:
    """Hold the lock of the journal at `path`; yields False if another runner holds it (after `timeout` s; -1 waits)."""
    lock_file = _lock_file(path)
    folder = lock_file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(lock_file)
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


def is_locked(path: Path) -> bool:
    """Whether a runner holds the lock of the journal at `path` at this moment. Makes no file, and waits for nobody."""
    try:
        with _lock_file(path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of as the file is closed
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _lock_file(path: Path) -> Path:
    return path.parent / ".locks" / f"{path.stem}.lock"


def _record(path: Path, data: bytes) -> TrialRecord:
    lines = list(parsed(path, data))
    if not lines or lines[0].get("kind") != "header":
        raise JournalError(f"{path}: not a journal: the first line is no header; {ANEW}")
    if lines[0]["schema"] != SCHEMA:
        raise JournalError(
            f"{path}: written with schema {shown(lines[0]['schema'])}, this version reads {SCHEMA}; update softal-bench"
        )
    header, rounds, attempts = lines[0], list[Line](), list[Line]()
    end: Line | None = None
    stale: Line | None = None
    needs_header = reopened = False
    for line in lines[1:]:
        kind = line.get("kind")  # lines of kinds unknown to this version are passed over
        if kind in ("round", "cost"):
            rounds.append(line)
        elif kind == "attempt":
            attempts.append({**line, "rounds_before": len(rounds), "interrupted": False})
        elif kind == "interrupt" and attempts:
            attempts[-1]["interrupted"] = True
        elif kind == "end":
            end, reopened = line, False
        elif kind == "stale" and end is not None:
            stale = line if line["plugins"] else None
        elif kind == "retry" and end is not None:
            end, stale, reopened = None, None, True
            rounds = [line for line in rounds if line["kind"] == "round"]
            needs_header = not rounds
            for attempt in attempts:
                attempt["interrupted"] = True
        elif kind == "header" and needs_header:
            header, needs_header = _same_trial(path, header, line), False
    return TrialRecord(path, header, rounds, attempts, end, needs_header, reopened, stale)


def _same_trial(path: Path, before: Line, header: Line) -> Line:
    for name in ("schema", "suite", "key", "condition", "trial"):
        if header[name] != before[name]:
            raise JournalError(f"{path}: the header after a retry has another {name} than the first; {ANEW}")
    return header


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> JournalError:
    return JournalError(f"{path}: cannot be read: {error.strerror}; {ANEW}")
