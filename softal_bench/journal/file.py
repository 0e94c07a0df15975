"""The file of a journal: reading, writing and locking it.

A journal holds a header; an attempt line each time that a runner starts or continues the job; a round line for each
labelled set that was measured, or one cost line for a cost cell; an interrupt line if the user stopped the job; and an
end line with its status. Each line is passed to the operating system before the job continues, so that it is not lost
if the process dies. It is on the disk before the next line is written, so that a power failure loses at most the last
line. The job does not wait for the disk. A last line without a newline was torn by a crash: it is ignored on reading
and removed before the next line is written.

A retry line after an end line reopens the job. The rounds before it remain valid, because they depend only on the seeds
and not on how the trial ended, and the trial continues after them. A cost line does not remain valid, because a cell is
measured once. If no round remains, another header follows, because the first one has no start set if loading the data
failed. The end line before a retry no longer counts, but stays in the file.

A stale line after an end line records that the source of some plugins differs from the installed source. A stale line
without plugins records that they agree again. The last one counts.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from softal_bench.errors import JournalError, StorageError
from softal_bench.journal.lines import (
    Attempt,
    Cost,
    End,
    Environment,
    Header,
    Interrupt,
    Line,
    LineError,
    Measurement,
    Retry,
    Round,
    Stale,
    Status,
    encode,
    parse,
)
from softal_bench.machine.files import make_folder, open_regular_to_append, read_regular, sync_folder

_WHAT_TO_DO = "move the file away to run the job again"


@dataclass
class JournalledAttempt:
    """An attempt, as its own line and the lines after it describe it.

    Attributes:
        environment: the environment in which it ran.
        time: when it began, as written in the journal.
        measured: the number of measurements in the journal before it.
        was_stopped: whether an interrupt line ends it or a retry line follows later; it then does not count as a death.
    """

    environment: Environment
    time: str | None
    measured: int
    was_stopped: bool = False


@dataclass
class Journal:
    """The contents of a journal.

    Attributes:
        path: the file.
        header: the first line, or the header that follows a retry without rounds.
        rounds: the rounds of a trial, in order.
        costs: the cost lines of a cell; a valid journal has at most one.
        attempts: the attempts, in order.
        end: the last line of kind "end"; None while the job is unfinished.
        needs_header: whether the next line has to be a header.
        reopened: whether a retry line made the job unfinished again.
        stale: the last stale line after the end, if it names plugins.
    """

    path: Path
    header: Header
    rounds: list[Round] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    attempts: list[JournalledAttempt] = field(default_factory=list)
    end: End | None = None
    needs_header: bool = False
    reopened: bool = False
    stale: Stale | None = None

    @property
    def measurements(self) -> Sequence[Measurement]:
        """The rounds of a trial, or the cost lines of a cell."""
        return self.rounds or self.costs

    @property
    def status(self) -> Status:
        """How the job ended; `UNFINISHED` if it has not."""
        return Status(self.end.status) if self.end else Status.UNFINISHED

    @property
    def environments(self) -> list[Environment]:
        """The environment of the header, followed by that of each attempt that reported one."""
        begun = self.header.environment or Environment()
        return [begun, *(attempt.environment for attempt in self.attempts if attempt.environment.is_known)]

    @property
    def died_twice(self) -> bool:
        """Whether the last two attempts ended in the same round, without an interrupt or an end line."""
        if self.end or len(self.attempts) < 2:
            return False
        before_last, last = self.attempts[-2:]
        same_round = last.measured == len(self.measurements)
        return same_round and not before_last.was_stopped and not last.was_stopped

    def add(self, line: Line) -> None:
        """Add the next line of the file.

        Raises:
            LineError: if a round does not follow the one before it, or a header after a retry belongs to another job.
        """
        match line:
            case Round():
                self._require_next(line)
                self.rounds.append(line)
            case Cost():
                self.costs.append(line)
            case Attempt():
                self.attempts.append(JournalledAttempt(line.environment, line.time, len(self.measurements)))
            case Interrupt() if self.attempts:
                self.attempts[-1].was_stopped = True
            case End():
                self.end, self.reopened = line, False
            case Stale() if self.end:
                self.stale = line if line.plugins else None
            case Retry() if self.end:
                self.end, self.stale, self.reopened, self.costs = None, None, True, []
                self.needs_header = not self.rounds
                for attempt in self.attempts:
                    attempt.was_stopped = True
            case Header() if self.needs_header:
                _require_same_job(self.header, line)
                self.header, self.needs_header = line, False

    def _require_next(self, line: Round) -> None:
        """Raise LineError unless rounds are numbered 0, 1, 2, ... and each has the labels acquired in the previous."""
        if line.round != len(self.rounds):
            raise LineError(f" (round): is round {line.round}, expected round {len(self.rounds)}")
        if self.rounds and line.labels != (expected := self.rounds[-1].labels + len(self.rounds[-1].acquired)):
            raise LineError(
                f" (round): has {line.labels} labels, expected {expected}: those of round {line.round - 1} and the "
                f"{len(self.rounds[-1].acquired)} that it acquired"
            )
        if self.rounds and not self.rounds[-1].acquired:
            raise LineError(
                f" (round): follows round {line.round - 1}, which is the last one because it acquired nothing"
            )


def read(path: Path) -> Journal:
    """Read a journal.

    Raises:
        JournalError: if the file cannot be read, is not a journal, or has a schema that this version does not read.
    """
    return _parsed(path, _bytes(path))


def read_started(path: Path) -> Journal | None:
    """Read a journal. Return None if it has no complete line: the file is missing or empty, or its header is torn.

    Raises:
        JournalError: as `read`.
    """
    try:
        data = read_regular(path, follow_links=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    return _parsed(path, data) if b"\n" in data else None


def complete_lines(path: Path) -> bytes:
    """Return the bytes of a journal without a torn last line.

    Raises:
        JournalError: if the file cannot be read.
    """
    data = _bytes(path)
    return data[: data.rfind(b"\n") + 1]


class JournalWriter:
    """Appends lines to a journal. Each line is flushed to the disk while the job continues.

    Raises:
        StorageError: if a line cannot be written. It is raised at the next line or at `close` at the latest. The lines
            before it are kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._disk_errors():
            make_folder(path.parent)
            is_new = not path.exists()
            self._file = os.fdopen(open_regular_to_append(path), "ab")
            self._cut_torn_line()
            if is_new:
                sync_folder(path.parent)
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._flushing: Future[None] | None = None

    def write(self, line: Line) -> None:
        """Wait until the previous line is on the disk, append this one, and start to flush it."""
        data = encode(line)
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
        data = read_regular(self.path, follow_links=False)
        if data and not data.endswith(b"\n"):
            self._file.truncate(data.rfind(b"\n") + 1)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be written: {error.strerror or error}; the lines written before are kept. "
                "Free some space or grant permission, then run the same command again: it continues after the last "
                "complete line"
            ) from error


def append(path: Path, line: Line) -> None:
    """Append one line to a journal. The caller holds its lock.

    Raises:
        StorageError: as `JournalWriter`.
    """
    writer = JournalWriter(path)
    try:
        writer.write(line)
    finally:
        writer.close()


@contextmanager
def locked(path: Path, timeout: float = 0) -> Iterator[bool]:
    """Hold the lock of the journal at `path`. Yield whether it was acquired.

    If another runner holds it, wait for `timeout` seconds, or without limit if `timeout` is -1.
    """
    lock_file = _lock_file(path)
    folder = lock_file.parent
    try:
        make_folder(folder)
        lock = filelock.FileLock(lock_file)
        lock.acquire(timeout=timeout)
    except filelock.Timeout:
        yield False
        return
    except OSError as error:
        raise StorageError(
            f"{lock_file}: cannot be written: {error.strerror or error}; choose another folder with --runs"
        ) from error
    try:
        yield True
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Return whether a runner holds the lock of the journal at `path`, without waiting and without creating a file."""
    try:
        lock_file = os.open(_lock_file(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock_file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # closing the file releases it
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(lock_file)
    return False


def _lock_file(path: Path) -> Path:
    return path.parent / ".locks" / f"{path.stem}.lock"


def _parsed(path: Path, data: bytes) -> Journal:
    complete, _, _torn = data.rpartition(b"\n")
    journal: Journal | None = None
    for number, text in enumerate(complete.split(b"\n") if complete else [], start=1):
        try:
            line = parse(text)
            if journal is not None and line is not None:
                journal.add(line)
            elif isinstance(line, Header):
                journal = Journal(path, line)
            elif journal is None:
                break
        except LineError as error:
            raise JournalError(f"{path}: line {number}{error}; {_WHAT_TO_DO}") from error
    if journal is None:
        raise JournalError(f"{path}: not a journal: the first line is not a header; {_WHAT_TO_DO}")
    return journal


def _require_same_job(before: Header, header: Header) -> None:
    for name in ("schema", "suite", "key", "condition", "trial"):
        if getattr(header, name) != getattr(before, name):
            raise LineError(f": the header after a retry has another {name} than the first header")


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, follow_links=False)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> JournalError:
    return JournalError(f"{path}: cannot be read: {error.strerror or error}; {_WHAT_TO_DO}")
