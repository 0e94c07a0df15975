"""Journals from elsewhere: which lie in a folder, and whether one is what it says, by itself."""

import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from softal_bench.errors import JournalError, SoftalError, SuiteError, shown
from softal_bench.journal import file as journal
from softal_bench.journal.file import TrialRecord
from softal_bench.records.cells import checked_line
from softal_bench.records.lookup import require_of
from softal_bench.records.trials import Round, checked_rounds
from softal_bench.suite import Condition, CostCondition, condition_of
from softal_bench.suite.keys import SUITE_NAME

_KEY = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Submitted:
    """A journal that is sound by itself.

    Attributes:
        condition: as its header describes it.
        rounds: of a trial; of a cell there are none.
    """

    record: TrialRecord
    condition: Condition | CostCondition
    rounds: tuple[Round, ...]

    @property
    def trial(self) -> int:
        """Its number."""
        return int(self.record.header["trial"])

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.condition.acquisition.label}, B={self.condition.batch_size}, trial {self.trial}"


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


def place_of(record: TrialRecord) -> tuple[str, str]:
    """The suite and the key of a journal, which name its folder and its file.

    Raises:
        JournalError: if they are no such names, or the file is not named by its key.
    """
    suite, key = record.header["suite"], record.header["key"]
    if not (isinstance(suite, str) and re.fullmatch(SUITE_NAME, suite)):
        raise JournalError(f"{record.path}: suite {shown(suite)} is no suite's name: letters, digits, _ and -")
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise JournalError(f"{record.path}: key {shown(key)} is no key: 16 hexadecimal digits")
    if record.path.stem != key:
        raise JournalError(f"{record.path}: is named otherwise than by its key, {key}; rename it to {key}.jsonl")
    return suite, key


def examine(path: Path) -> Submitted:
    """Read a journal and check all that follows from itself: schema, names, key, and rounds.

    Raises:
        JournalError: if it is not sound, or its key cannot be computed here because a plugin is not installed.
    """
    record = journal.read(path)
    place_of(record)
    condition, number = _condition(record), record.header["trial"]
    if type(number) is not int or number < 0:
        raise JournalError(f"{path}: trial {shown(number)} is no number of a trial: 0, 1, ...")
    key = condition.key(number)
    if record.header["key"] != key:
        raise JournalError(
            f"{path}: the key of its condition is {key}, not {record.header['key']}: the condition was changed, or a "
            "plugin's revision here is another than there"
        )
    require_of(record, key, number)
    if isinstance(condition, CostCondition):
        checked_line(record, condition)
        return Submitted(record, condition, ())
    rounds = checked_rounds(record, condition)
    _require_numbered(record)
    if rounds:
        _require_acquired(record, rounds, condition)
    return Submitted(record, condition, rounds)


def _condition(record: TrialRecord) -> Condition | CostCondition:
    described = record.header["condition"]
    if not isinstance(described, dict):
        raise JournalError(f"{record.path}: its condition is {shown(described)}, not a mapping of keys")
    try:
        condition = condition_of(described)
        condition.require_sound()
    except SoftalError as error:
        raise JournalError(f"{record.path}: its condition cannot be built here: {error}") from error
    return condition


def _require_numbered(record: TrialRecord) -> None:
    numbers = [line["round"] for line in record.rounds]
    if numbers != list(range(len(numbers))):
        raise JournalError(f"{record.path}: its rounds are numbered {shown(numbers)}, not 0, 1, ...")


def _require_acquired(record: TrialRecord, rounds: tuple[Round, ...], condition: Condition) -> None:
    """Require that the labelled set grows by B distinct examples of the data set in each round."""
    path, start, size = record.path, record.header["start"], _size(record)
    if len(start) != condition.initial.size:
        raise JournalError(f"{path}: its start set has {len(start)} indices, not {condition.initial.size}")
    labelled = list(start)
    for number, round_ in enumerate(rounds):
        if round_.labels != len(labelled):
            raise JournalError(f"{path}: round {number}: {round_.labels} labels, but {len(labelled)} were acquired")
        wanted = condition.batch_size if round_.labels < condition.budget else 0
        if len(round_.acquired) != wanted:
            raise JournalError(f"{path}: round {number}: acquired {len(round_.acquired)} examples, not {wanted}")
        labelled += round_.acquired
    if len(set(labelled)) < len(labelled):
        raise JournalError(f"{path}: an example was acquired twice: {shown(_repeated(labelled))}")
    if not 0 <= min(labelled) <= max(labelled) < size:
        raise JournalError(f"{path}: indices from {min(labelled)} to {max(labelled)}; the data set has 0 to {size - 1}")


def _size(record: TrialRecord) -> int:
    """The number of training examples, of a provenance that is one."""
    provenance: Any = record.header.get("provenance")
    if isinstance(provenance, dict) and _SHA256.fullmatch(str(provenance.get("sha256"))):
        size = provenance.get("size")
        if type(size) is int and size > 0:
            return size
    raise JournalError(f"{record.path}: its provenance is {shown(provenance)}; need name, size, and sha256")


def _repeated(indices: list[int]) -> list[int]:
    seen: set[int] = set()
    return [index for index in indices if index in seen or seen.add(index)]  # type: ignore[func-returns-value]
