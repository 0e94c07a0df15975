"""What the journals of suites of either kind have in common, and which one is taken where there are two."""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from softal_bench.errors import JournalError, one_line, shown
from softal_bench.journal import file as journal
from softal_bench.journal.file import TrialRecord
from softal_bench.run import fresh
from softal_bench.run.stale import STALE

DONE = "done"
# Each status that a trial or a cell can have here, in the order in which they are told, and its words.
STATUSES = {
    DONE: "done",
    STALE: "stale",  # finished, but computed with code that differs from the installed code
    "failed": "failed",
    "timeout": "timed out",
    "out_of_memory": "out of memory",
    "unfinished": "unfinished",
    "not_readable": "not readable",
    "not_tried": "not tried",
    "not_run": "not run",
    "elsewhere": "on another device",  # a cell that another device has measured, where devices are told apart
}
FAILED = ("failed", "timeout", "out_of_memory")
_IN_A_JOURNAL = {DONE, *FAILED, "unfinished"}

# Bounds that no sound number reaches, so that sums and roundings of a stranger's journal stay numbers.
Seconds = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0, le=2**53)]


@dataclass(frozen=True)
class Recorded:
    """What may have a journal: a trial, or a cell of a cost suite; its status is a key of STATUSES."""

    key: str
    status: str
    record: TrialRecord | None

    @property
    def error(self) -> str:
        """The error that ended it, or nothing."""
        end = self.record.end if self.record else None
        return str(end.get("error") or "") if end else ""

    @property
    def environments(self) -> list[dict[str, Any]]:
        """Where it ran: the environment of the header, then of each attempt, with device, platform and so on."""
        if self.record is None:
            return []
        attempts = [attempt for attempt in self.record.attempts if "device" in attempt]
        return [_mapping(self.record.header.get("environment")), *attempts]

    @property
    def versions(self) -> dict[str, Any]:
        """The header's versions: package -> version."""
        return _mapping(self.record.header.get("versions")) if self.record else {}

    @property
    def times(self) -> list[datetime]:
        """When it was taken up, each time, and when it ended; UTC."""
        if self.record is None:
            return []
        lines = [*self.record.attempts, self.record.end or {}]
        return [time for line in lines if (time := _utc(line.get("time")))]

    @property
    def device(self) -> str:
        """The name and the kind of the device that it ran on: `NVIDIA H200 (cuda)`; of several, each in turn."""
        return _in_turn(map(_device, self.environments)) or "unknown"

    def of_environment(self, name: str) -> str:
        """A value of its environment as text, such as the platform; of several, each in turn; nothing if unknown."""
        return _in_turn(str(one[name]) for one in self.environments if one.get(name) is not None)


R = TypeVar("R", bound=Recorded)
T = TypeVar("T")


class HasStatus(Protocol):
    """A trial or a cell."""

    @property
    def status(self) -> str:
        """A key of STATUSES."""


@dataclass(frozen=True)
class Problem:
    """A journal that cannot be used, and why."""

    path: Path
    message: str


def devices(recorded: Iterable[Recorded]) -> list[str]:
    """Return the devices of those that have a journal, sorted."""
    return sorted({one.device for one in recorded if one.record})


def describe_counts(of: Iterable[HasStatus], *, but: str = "") -> str:
    """Return, for example, `3 done, 1 failed, 1 not run`; statuses of none, and `but`, are left out."""
    statuses = [one.status for one in of]
    counts = {status: statuses.count(status) for status in STATUSES if status != but}
    return ", ".join(f"{count} {STATUSES[status]}" for status, count in counts.items() if count)


def look_up(
    key: str,
    folders: Sequence[Path],
    read: Callable[[TrialRecord], R],
    absent: Callable[[str], R],
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
        absent: makes the result where there is none, from its status, "not_readable" or "not_run".
        problems: a journal that cannot be read is added to them.
    """
    found: list[tuple[_Merit, R]] = []
    broken = False
    own, *_ = paths = [folder / f"{key}.jsonl" for folder in folders]
    for path in paths[:1] if fresh.is_marked(own) else paths:
        try:
            record = journal.read_started(path)
            if record is not None:
                found.append((_merit(record, is_own=path == own), read(record)))
        except (JournalError, OSError) as error:
            broken = True
            problems.append(Problem(path, one_line(str(error).removeprefix(f"{path}: "))))
    if found:
        return max(found, key=lambda pair: pair[0])[1]  # of equals, max takes the first
    return absent("not_readable" if broken else "not_run")


def status_of(record: TrialRecord) -> str:
    """Return the status that a journal gives its trial here: "stale" if a stale line says so, else how it ended."""
    return STALE if record.stale else record.status


def require_of(record: TrialRecord, key: str, number: int) -> None:
    """Require that a journal is of this key and trial number.

    Raises:
        JournalError: if it is not, or its status is unknown.
    """
    path = record.path
    if (record.header["key"], record.header["trial"]) != (key, number):
        raise JournalError(
            f"{path}: holds trial {shown(record.header['trial'])} of key {shown(record.header['key'])}, "
            f"expected trial {number} of key {key!r}; was it renamed? Move it away"
        )
    if record.status not in _IN_A_JOURNAL:
        known = ", ".join(sorted(_IN_A_JOURNAL))
        raise JournalError(f"{path}: unknown status {shown(record.status)}; known: {known}")


def validated(record: TrialRecord, lines: TypeAdapter[list[T]], noun: str) -> list[T]:
    """Return the rounds or cost lines of a journal as models.

    Raises:
        JournalError: if a value is not what it should be; says where, what is wrong and what was got.
    """
    try:
        return lines.validate_python(record.rounds)
    except ValidationError as error:
        first = error.errors()[0]
        number, *names = first["loc"]
        where = f"{noun} {number}: {'.'.join(map(_name, names))}"
        raise JournalError(f"{record.path}: {where}: {first['msg']}, got {shown(first['input'])}") from error


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


def _name(part: int | str) -> str:
    return part if isinstance(part, str) and len(part) < 100 else shown(part)


_Merit = tuple[int, int]


def _merit(record: TrialRecord, *, is_own: bool) -> _Merit:
    if is_own and record.is_fresh and not record.stale:
        rank = 6
    elif record.status == DONE and not record.stale:
        # Without digests nothing says that a record is of the present code: a fresh one, even stale, counts first.
        rank = 5 if "plugins" in record.header else 3
    elif is_own and record.is_fresh:
        rank = 4
    elif record.end is None:
        rank = 2 if record.reopened else 0
    else:
        rank = -1 if record.stale else 1
    return rank, len(record.rounds)


def _device(environment: dict[str, Any]) -> str:
    kind = str(environment.get("device") or "unknown").partition(":")[0]
    name = environment.get("device_name")
    return f"{name} ({kind})" if name else kind


def _in_turn(texts: Iterable[str]) -> str:
    return ", then ".join(dict.fromkeys(texts))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _utc(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):  # the year 1 in another time zone is before all years
        return None
