"""The trials of a suite as its journals tell them, from the runs folder and the leaderboard's records."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from softal_bench.bench import journal
from softal_bench.bench.journal import TrialRecord
from softal_bench.errors import JournalError
from softal_bench.suite import Condition, Suite

DONE = "done"
# Each status that a trial can have here, in the order in which they are told, and its words.
STATUSES = {
    DONE: "done",
    "failed": "failed",
    "timeout": "timed out",
    "out_of_memory": "out of memory",
    "unfinished": "unfinished",
    "not_readable": "not readable",
    "not_run": "not run",
}
_IN_A_JOURNAL = {DONE, "failed", "timeout", "out_of_memory", "unfinished"}

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Round(BaseModel):
    """What a round's line says, as far as a report needs it.

    Attributes:
        labels: size of the labelled set that the accuracy was measured with.
        accuracy: test accuracy, a fraction.
        acquired: indices acquired after it; empty in the last round, which has no prediction on the pool and
            no selection.
        seconds: seconds by phase.
        peak_bytes: peak memory of the round, or None where it cannot be measured.
    """

    model_config = ConfigDict(strict=True, frozen=True)
    labels: int = Field(ge=1)
    accuracy: float = Field(ge=0, le=1)
    acquired: list[int]
    seconds: dict[str, Seconds | None]
    peak_bytes: int | None = Field(ge=0)


_rounds = TypeAdapter(list[Round])


@dataclass(frozen=True)
class Trial:
    """One trial of a condition: its status (a key of STATUSES) and, what its journal says."""

    condition: Condition
    number: int
    key: str
    status: str
    rounds: tuple[Round, ...] = ()
    record: TrialRecord | None = None

    @property
    def labels(self) -> list[int]:
        """The training-set sizes measured, ascending."""
        return [round_.labels for round_ in self.rounds]

    @property
    def accuracies(self) -> list[float]:
        """The test accuracy at each training-set size."""
        return [round_.accuracy for round_ in self.rounds]

    @property
    def error(self) -> str:
        """The error that ended the trial, or nothing."""
        end = self.record.end if self.record else None
        return str(end.get("error") or "") if end else ""

    @property
    def environment(self) -> dict[str, Any]:
        """The header's environment: device, device_name, platform, python, threads."""
        return _mapping(self.record.header.get("environment")) if self.record else {}

    @property
    def versions(self) -> dict[str, Any]:
        """The header's versions: package -> version."""
        return _mapping(self.record.header.get("versions")) if self.record else {}

    @property
    def times(self) -> list[datetime]:
        """When the trial was taken up, each time, and when it ended; UTC."""
        if self.record is None:
            return []
        lines = [*self.record.attempts, self.record.end or {}]
        return [time for line in lines if (time := _utc(line.get("time")))]


@dataclass(frozen=True)
class Problem:
    """A journal that cannot be used, and why."""

    path: Path
    message: str


@dataclass(frozen=True)
class ConditionResults:
    """All trials of one condition, in order."""

    condition: Condition
    trials: tuple[Trial, ...]

    @cached_property
    def done(self) -> tuple[Trial, ...]:
        """The trials that statistics are made of."""
        return tuple(trial for trial in self.trials if trial.status == DONE)


@dataclass(frozen=True)
class Results:
    """A suite and the trials of its conditions, in file order."""

    suite: Suite
    conditions: tuple[ConditionResults, ...]
    problems: tuple[Problem, ...]

    @property
    def trials(self) -> Iterator[Trial]:
        """Every trial of the suite, run or not."""
        return (trial for results in self.conditions for trial in results.trials)

    def count(self, status: str) -> int:
        """Return how many trials have this status (a key of STATUSES)."""
        return sum(trial.status == status for trial in self.trials)


def collect(suite: Suite, runs: Path, leaderboard: Path) -> Results:
    """Read the journals of every trial of a suite.

    A trial may have a journal in `runs/<suite>/` and another in `leaderboard/records/<suite>/`. A done one is
    taken before one that ended otherwise, that before an unfinished one, then the one with more rounds, then
    the one in `runs`.

    A journal that cannot be read becomes a problem and raises nothing.
    """
    folders = [runs / suite.name, leaderboard / "records" / suite.name]
    problems: list[Problem] = []
    conditions = tuple(
        ConditionResults(
            condition, tuple(_trial(condition, number, folders, problems) for number in range(suite.trials))
        )
        for condition in suite.conditions
    )
    return Results(suite, conditions, tuple(problems))


def describe_counts(trials: Iterable[Trial], *, but: str = "") -> str:
    """Return, for example, `3 done, 1 failed, 1 not run`; statuses of no trial, and `but`, are left out."""
    statuses = [trial.status for trial in trials]
    counts = {status: statuses.count(status) for status in STATUSES if status != but}
    return ", ".join(f"{count} {STATUSES[status]}" for status, count in counts.items() if count)


def _trial(condition: Condition, number: int, folders: list[Path], problems: list[Problem]) -> Trial:
    key = condition.key(number)
    found: list[Trial] = []
    broken = False
    for folder in folders:
        path = folder / f"{key}.jsonl"
        try:
            if not journal.is_empty(path):
                found.append(_read(condition, number, key, path))
        except (JournalError, OSError) as error:
            broken = True
            problems.append(Problem(path, str(error).removeprefix(f"{path}: ")))
    if found:
        return max(found, key=_merit)  # of equals, max takes the first
    return Trial(condition, number, key, "not_readable" if broken else "not_run")


def _merit(trial: Trial) -> tuple[bool, bool, int]:
    return trial.status == DONE, trial.status != "unfinished", len(trial.rounds)


def _read(condition: Condition, number: int, key: str, path: Path) -> Trial:
    record = journal.read(path)
    if (record.header["key"], record.header["trial"]) != (key, number):
        raise JournalError(
            f"{path}: holds trial {record.header['trial']!r} of key {record.header['key']!r}, "
            f"expected trial {number} of key {key!r}; was it renamed? Move it away"
        )
    if record.status not in _IN_A_JOURNAL:
        raise JournalError(f"{path}: unknown status {record.status!r}; known: {', '.join(sorted(_IN_A_JOURNAL))}")
    rounds = _checked_rounds(record)
    if record.status == DONE and not rounds:
        raise JournalError(f"{path}: says that it is done, but has no round; move it away to run the trial anew")
    return Trial(condition, number, key, record.status, rounds, record)


def _checked_rounds(record: TrialRecord) -> tuple[Round, ...]:
    try:
        rounds = _rounds.validate_python(record.rounds)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"round {first['loc'][0]}: {'.'.join(map(str, first['loc'][1:]))}"
        raise JournalError(f"{record.path}: {where}: {first['msg']}, got {first['input']!r}") from error
    sizes = [round_.labels for round_ in rounds]
    if any(after <= before for before, after in pairwise(sizes)):
        raise JournalError(f"{record.path}: the labelled set does not grow from round to round: {sizes}")
    return tuple(rounds)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _utc(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
