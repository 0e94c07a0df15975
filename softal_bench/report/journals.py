"""What the journals of suites of either kind have in common, and which one is taken where there are two."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from softal_bench.bench import journal
from softal_bench.bench.journal import TrialRecord
from softal_bench.errors import JournalError

DONE = "done"
# Each status that a trial or a cell can have here, in the order in which they are told, and its words.
STATUSES = {
    DONE: "done",
    "failed": "failed",
    "timeout": "timed out",
    "out_of_memory": "out of memory",
    "unfinished": "unfinished",
    "not_readable": "not readable",
    "not_tried": "not tried",
    "not_run": "not run",
    "elsewhere": "on another device",  # a cell that another device has measured, where devices are told apart
}
_IN_A_JOURNAL = {DONE, "failed", "timeout", "out_of_memory", "unfinished"}

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


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
    key: str, folders: Sequence[Path], read: Callable[[Path], R], absent: Callable[[str], R], problems: list[Problem]
) -> R:
    """Return what the journal of a key says.

    Of several folders' journals a done one is taken before one that ended otherwise, that before an unfinished one,
    then the one with more rounds, then that of the earlier folder.

    Args:
        key: the journals' name.
        folders: where they may lie.
        read: reads one; may raise JournalError.
        absent: makes the result where there is none, from its status, "not_readable" or "not_run".
        problems: a journal that cannot be read is added to them.
    """
    found: list[R] = []
    broken = False
    for path in (folder / f"{key}.jsonl" for folder in folders):
        try:
            if not journal.is_empty(path):
                found.append(read(path))
        except (JournalError, OSError) as error:
            broken = True
            problems.append(Problem(path, str(error).removeprefix(f"{path}: ")))
    if found:
        return max(found, key=_merit)  # of equals, max takes the first
    return absent("not_readable" if broken else "not_run")


def read_record(path: Path, key: str, number: int) -> TrialRecord:
    """Read a journal that has to be of this key and trial number.

    Raises:
        JournalError: if it is not, or is no journal, or its status is unknown.
    """
    record = journal.read(path)
    if (record.header["key"], record.header["trial"]) != (key, number):
        raise JournalError(
            f"{path}: holds trial {record.header['trial']!r} of key {record.header['key']!r}, "
            f"expected trial {number} of key {key!r}; was it renamed? Move it away"
        )
    if record.status not in _IN_A_JOURNAL:
        raise JournalError(f"{path}: unknown status {record.status!r}; known: {', '.join(sorted(_IN_A_JOURNAL))}")
    return record


def validated(record: TrialRecord, lines: TypeAdapter[list[T]], noun: str) -> list[T]:
    """Return the rounds or cost lines of a journal as models.

    Raises:
        JournalError: if a value is not what it should be; says where, what is wrong and what was got.
    """
    try:
        return lines.validate_python(record.rounds)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{noun} {first['loc'][0]}: {'.'.join(map(str, first['loc'][1:]))}"
        raise JournalError(f"{record.path}: {where}: {first['msg']}, got {first['input']!r}") from error


def _merit(of: Recorded) -> tuple[bool, bool, int]:
    return of.status == DONE, of.status != "unfinished", len(of.record.rounds) if of.record else 0


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
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
