"""The trials of a suite, read from the journals in the runs folder and the leaderboard's records."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from softal_bench.errors import JournalError
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import Round, Status
from softal_bench.records.lookup import Problem, Recorded, look_up, many_journals, require_of, status_of
from softal_bench.suite import Condition, Suite

_ANEW = "move it away to run the trial again"


@dataclass(frozen=True)
class Trial(Recorded):
    """A trial of a condition with the rounds in its journal."""

    condition: Condition
    number: int
    rounds: tuple[Round, ...] = ()

    @property
    def labels(self) -> list[int]:
        """The size of the labelled set in each round, ascending."""
        return [round_.labels for round_ in self.rounds]

    @property
    def accuracies(self) -> list[float]:
        """The test accuracy in each round."""
        return [round_.accuracy for round_ in self.rounds]

    @property
    def warnings(self) -> dict[str, list[int]]:
        """The rounds in which each warning occurred."""
        found: dict[str, list[int]] = {}
        for number, round_ in enumerate(self.rounds):
            for text in round_.warnings:
                found.setdefault(text, []).append(number)
        return found


@dataclass(frozen=True)
class ConditionResults:
    """All trials of one condition, in order."""

    condition: Condition
    trials: tuple[Trial, ...]

    @cached_property
    def done(self) -> tuple[Trial, ...]:
        """The trials that statistics are computed from."""
        return tuple(trial for trial in self.trials if trial.status == Status.DONE)


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

    def count(self, status: Status) -> int:
        """Return how many trials have this status."""
        return sum(trial.status == status for trial in self.trials)


def collect(suite: Suite, runs: Path, leaderboard: Path) -> Results:
    """Read the journals of every trial of a suite, from `runs/<suite>/` and `leaderboard/records/<suite>/`.

    If a trial has two journals, `look_up` decides which one counts. A journal that cannot be read is added to the
    problems and raises no error.
    """
    folders = [runs / suite.name, leaderboard / "records" / suite.name]
    problems: list[Problem] = []
    with many_journals():
        conditions = tuple(
            ConditionResults(
                condition, tuple(_trial(condition, number, folders, problems) for number in range(suite.trials))
            )
            for condition in suite.conditions
        )
    return Results(suite, conditions, tuple(problems))


def _trial(condition: Condition, number: int, folders: list[Path], problems: list[Problem]) -> Trial:
    key = condition.key(number)

    def read(record: Journal) -> Trial:
        require_of(record, key, number)
        return Trial(key, status_of(record), record, condition, number, checked_rounds(record, condition))

    def absent(status: Status) -> Trial:
        return Trial(key, status, None, condition, number)

    return look_up(key, folders, read, absent, problems)


def checked_rounds(record: Journal, condition: Condition) -> tuple[Round, ...]:
    """Return the rounds of a trial.

    Raises:
        JournalError: if they cannot be rounds of this condition. The first round has the labels of the start set, each
            round acquires B points, except the last one, and a trial that is done has reached its budget.
    """
    path, rounds = record.path, record.rounds
    if record.costs:
        raise JournalError(f"{path}: has a cost line, but is the journal of a trial; {_ANEW}")
    for number, round_ in enumerate(rounds):
        labels = condition.initial.size + number * condition.batch_size
        allowed = (condition.batch_size, 0) if round_ is rounds[-1] else (condition.batch_size,)
        if round_.labels != labels or len(round_.acquired) not in allowed:
            raise JournalError(
                f"{path}: round {number} has {round_.labels} labels and acquired {len(round_.acquired)}, expected "
                f"{labels} and {condition.batch_size}; {_ANEW}"
            )
    if record.status == Status.DONE and not rounds:
        raise JournalError(f"{path}: its status is done, but it has no round; {_ANEW}")
    if record.status == Status.DONE and (rounds[-1].acquired or rounds[-1].labels < condition.budget):
        raise JournalError(
            f"{path}: its status is done, but its last round has {rounds[-1].labels} labels of a budget of "
            f"{condition.budget} and acquired {len(rounds[-1].acquired)} more; {_ANEW}"
        )
    return tuple(rounds)
