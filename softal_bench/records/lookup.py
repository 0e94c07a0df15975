"""What the journals of suites of either kind have in common, and which one is taken where there are two."""

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
        """The error that ended it, or nothing."""
        return (self.record.end.error or "") if self.record and self.record.end else ""

    @property
    def environments(self) -> list[Environment]:
        """Where it ran; see `Journal.environments`."""
        return self.record.environments if self.record else []

    @property
    def versions(self) -> dict[str, str]:
        """The header's versions: package -> version."""
        return (self.record.header.versions or {}) if self.record else {}

    @property
    def times(self) -> list[datetime]:
        """When each attempt began, and when the job ended; UTC."""
        if self.record is None:
            return []
        texts = [*(attempt.time for attempt in self.record.attempts), self.record.end.time if self.record.end else None]
        return [time for text in texts if (time := _utc(text))]

    @property
    def device(self) -> str:
        """The name and the kind of the device that it ran on: `NVIDIA H200 (cuda)`; of several, each in turn."""
        return _in_turn(map(_device, self.environments)) or "unknown"

    def of_environment(self, name: str) -> str:
        """A value of its environment as text, such as the platform; of several, each in turn; nothing if unknown."""
        values = (getattr(one, name) for one in self.environments)
        return _in_turn(str(value) for value in values if value is not None)


R = TypeVar("R", bound=Recorded)


class HasStatus(Protocol):
    """A trial or a cell."""

    @property
    def status(self) -> Status:
        """Its status."""


@dataclass(frozen=True)
class Problem:
    """A journal that cannot be used, and why."""

    path: Path
    message: str


def devices(recorded: Iterable[Recorded]) -> list[str]:
    """Return the devices of those that have a journal, sorted."""
    return sorted({one.device for one in recorded if one.record})


def describe_counts(of: Iterable[HasStatus], *, but: Status | None = None) -> str:
    """Return, for example, `3 done, 1 failed, 1 not run`; statuses of none, and `but`, are left out."""
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
    """Return what the journal of a key says, of the one that counts where there are two.

    In this order: one that `run --fresh` began in the first folder (after a done one, if it is stale and the done one
    records the source of its plugins); one that is done; one that a retry made unfinished again; one that ended
    otherwise; an unfinished one; a stale one. Then the one with more rounds, then that of the earlier folder. While
    `run --fresh` is to compute the trial and has not begun it, only the first folder counts.

    Args:
        key: the journals' name.
        folders: where they may lie; the first is that of runs.
        read: makes the result of one; may raise JournalError.
        absent: makes the result where there is none, from its status, UNREADABLE or NOT_RUN.
        problems: a journal that cannot be read is added to them.
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
    """Return the status that a journal gives its job: stale if a stale line says so, else how it ended."""
    return Status.STALE if record.stale else record.status


def require_of(record: Journal, key: str, number: int) -> None:
    """Raise JournalError unless a journal is of this key and trial number."""
    header = record.header
    if (header.key, header.trial) != (key, number):
        raise JournalError(
            f"{record.path}: holds trial {header.trial} of key {shown(header.key)}, "
            f"expected trial {number} of key {key!r}; was it renamed? Move it away"
        )


def journals_in(folder: Path) -> list[Path]:
    """The journals in a folder and in the folders in it, sorted by name.

    Raises:
        SuiteError: if there are none.
    """
    paths = chain(folder.glob("*.jsonl"), folder.glob("[!.]*/*.jsonl"))
    found = sorted(path for path in paths if path.is_file())
    if not found:
        what = "holds no journals (*.jsonl)" if folder.is_dir() else "is no folder"
        raise SuiteError(f"{folder}: {what}; name a folder of journals, such as runs or runs/quickstart")
    return found


def place_of(record: Journal) -> tuple[str, str]:
    """The suite and the key of a journal, which name its folder and its file.

    Raises:
        JournalError: if they are no such names, or the file is not named by its key.
    """
    suite, key = record.header.suite, record.header.key
    if not re.fullmatch(SUITE_NAME, suite):
        raise JournalError(f"{record.path}: suite {shown(suite)} is no suite's name: letters, digits, _ and -")
    if not _KEY.fullmatch(key):
        raise JournalError(f"{record.path}: key {shown(key)} is no key: 16 hexadecimal digits")
    if record.path.stem != key:
        raise JournalError(f"{record.path}: is named otherwise than by its key, {key}; rename it to {key}.jsonl")
    return suite, key


@contextmanager
def many_journals() -> Iterator[None]:
    """Reading many journals takes half the time within it.

    They make millions of objects, none of them in cycles; the garbage collector would walk all of them again and again.
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
        # Without digests nothing says that a record is of the present code: a fresh one, even stale, counts first.
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
    except (ValueError, OverflowError):  # the year 1 in another time zone is before all years
        return None
