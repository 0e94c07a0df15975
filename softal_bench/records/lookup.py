"""Reading the journals of both kinds of suites, and choosing one if a job has two."""

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar

from softal_bench.errors import JournalError, SuiteError, one_line, shown
from softal_bench.journal import file as journal
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import Environment, Status
from softal_bench.run.recompute import is_marked
from softal_bench.suite.keys import SUITE_NAME

_KEY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Recorded:
    """A trial, or a cell of a cost suite, with its journal, if it has one."""

    key: str
    status: Status
    record: Journal | None

    @property
    def error(self) -> str:
        """The error that ended it, or an empty string."""
        return (self.record.end.error or "") if self.record and self.record.end else ""

    @property
    def environments(self) -> list[Environment]:
        """The environments in which it ran; see `Journal.environments`."""
        return self.record.environments if self.record else []

    @property
    def versions(self) -> dict[str, str]:
        """The version of each package, from the header."""
        return (self.record.header.versions or {}) if self.record else {}

    @property
    def times(self) -> list[datetime]:
        """The times in UTC when each attempt began and when the job ended."""
        if self.record is None:
            return []
        texts = [*(attempt.time for attempt in self.record.attempts), self.record.end.time if self.record.end else None]
        return [time for text in texts if (time := _utc(text))]

    @property
    def device(self) -> str:
        """The name and the kind of each device that it ran on, in order: `NVIDIA H200 (cuda)`."""
        return _in_turn(map(_device, self.environments)) or "unknown"

    def of_environment(self, name: str) -> str:
        """Return a value of its environments as text, such as the platform.

        Different values are listed in order. The text is empty if the value is unknown.
        """
        values = (getattr(one, name) for one in self.environments)
        return _in_turn(str(value) for value in values if value is not None)


R = TypeVar("R", bound=Recorded)


class HasStatus(Protocol):
    """A trial or a cell."""

    @property
    def status(self) -> Status:
        """The status of the trial or cell."""


@dataclass(frozen=True)
class Problem:
    """A journal that cannot be used, with the reason."""

    path: Path
    message: str


def devices(recorded: Iterable[Recorded]) -> list[str]:
    """Return the sorted devices of the jobs that have a journal."""
    return sorted({one.device for one in recorded if one.record})


def describe_counts(of: Iterable[HasStatus], *, but: Status | None = None) -> str:
    """Return the number of jobs with each status as text, such as `3 done, 1 failed, 1 not run`.

    The status `but` and statuses without jobs are left out.
    """
    statuses = [one.status for one in of]
    counts = {status: statuses.count(status) for status in Status if status != but}
    return ", ".join(f"{count} {status.words}" for status, count in counts.items() if count)


def look_up(
    key: str,
    folders: Sequence[Path],
    read: Callable[[Journal], R],
    absent: Callable[[Status], R],
    problems: list[Problem],
) -> R:
    """Return the result of the journal with this key. If there are several, choose the one that counts.

    Journals are preferred in this order: a journal that `run --fresh` began in the first folder (after a done journal
    if it is stale and the done journal records the source of its plugins); a done journal; a journal that a retry made
    unfinished again; a journal that ended with another status; an unfinished journal; a stale journal. Of equals, the
    journal with more rounds is preferred, then the one in the earlier folder. While a job is marked by `run --fresh`
    and its new journal has not begun, only the first folder counts.

    Args:
        key: the name of the journals.
        folders: the folders that may contain them; the first is the folder of runs.
        read: converts a journal to a result; may raise JournalError.
        absent: returns the result if there is no journal, from its status, UNREADABLE or NOT_RUN.
        problems: the list to which journals that cannot be read are appended.
    """
    found: list[tuple[_Merit, R]] = []
    broken = False
    own, *_ = paths = [folder / f"{key}.jsonl" for folder in folders]
    for path in paths[:1] if is_marked(own) else paths:
        try:
            record = journal.read_started(path)
            if record is not None:
                found.append((_merit(record, is_own=path == own), read(record)))
        except (JournalError, OSError) as error:
            broken = True
            problems.append(Problem(path, one_line(str(error).removeprefix(f"{path}: "))))
    if found:
        return max(found, key=lambda pair: pair[0])[1]  # of equals, max takes the first
    return absent(Status.UNREADABLE if broken else Status.NOT_RUN)


def status_of(record: Journal) -> Status:
    """Return the status of the job of a journal: stale if a stale line counts, otherwise the status of the journal."""
    return Status.STALE if record.stale else record.status


def require_of(record: Journal, key: str, number: int) -> None:
    """Raise JournalError unless a journal has this key and trial number."""
    header = record.header
    if (header.key, header.trial) != (key, number):
        raise JournalError(
            f"{record.path}: holds trial {header.trial} of key {shown(header.key)}, "
            f"expected trial {number} of key {key!r}; was it renamed? Move it away"
        )


def journals_in(folder: Path) -> list[Path]:
    """Return the journals in a folder and in its subfolders, sorted by path.

    Raises:
        SuiteError: if there are none.
    """
    paths = chain(folder.glob("*.jsonl"), folder.glob("[!.]*/*.jsonl"))
    found = sorted(path for path in paths if path.is_file())
    if not found:
        what = "contains no journals (*.jsonl)" if folder.is_dir() else "is not a folder"
        raise SuiteError(f"{folder}: {what}; name a folder of journals, such as runs or runs/quickstart")
    return found


def place_of(record: Journal) -> tuple[str, str]:
    """Return the suite and the key of a journal, which are the names of its folder and its file.

    Raises:
        JournalError: if one of them is not a valid name, or the name of the file is not the key.
    """
    suite, key = record.header.suite, record.header.key
    if not re.fullmatch(SUITE_NAME, suite):
        raise JournalError(f"{record.path}: suite {shown(suite)} is not a valid name; use letters, digits, _ and -")
    if not _KEY.fullmatch(key):
        raise JournalError(f"{record.path}: key {shown(key)} is not valid; need 16 hexadecimal digits")
    if record.path.stem != key:
        raise JournalError(f"{record.path}: its name differs from its key, {key}; rename it to {key}.jsonl")
    return suite, key


@contextmanager
def many_journals() -> Iterator[None]:
    """Disable the garbage collector, which halves the time of reading many journals.

    Reading creates millions of objects, none of them in cycles, and the collector would traverse all of them often.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


_Merit = tuple[int, int]


def _merit(record: Journal, *, is_own: bool) -> _Merit:
    if is_own and record.header.fresh and not record.stale:
        rank = 6
    elif record.status == Status.DONE and not record.stale:
        # Without digests, a record may come from older code, so a fresh journal counts first, even if it is stale.
        rank = 5 if record.header.plugins is not None else 3
    elif is_own and record.header.fresh:
        rank = 4
    elif record.end is None:
        rank = 2 if record.reopened else 0
    else:
        rank = -1 if record.stale else 1
    return rank, len(record.measurements)


def _device(environment: Environment) -> str:
    kind = (environment.device or "unknown").partition(":")[0]
    return f"{environment.device_name} ({kind})" if environment.device_name else kind


def _in_turn(texts: Iterable[str]) -> str:
    return ", then ".join(dict.fromkeys(texts))


def _utc(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: in UTC, a time in the year 1 may lie before it
        return None
