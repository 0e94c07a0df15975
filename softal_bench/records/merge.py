"""Merging the journals of several machines into one folder. If any of them conflict, nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from softal_bench.errors import JournalError, SoftalError
from softal_bench.journal import file as journal
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import Round, Status
from softal_bench.machine.files import write_atomically
from softal_bench.records.lookup import journals_in, place_of

# The values that depend only on the seeds and must be equal. Timings and memory differ between machines and are taken
# from a single journal.
_SAME = ("condition", "trial", "start", "provenance")
Place = tuple[str, str]


@dataclass(frozen=True)
class Merge:
    """The plan of a merge: the journal to keep for each suite and key.

    Attributes:
        into: the target folder.
        taken: the journals to keep, by suite and key.
        conflicts: a message for each journal that cannot be read or cannot be merged with another one of its key.
    """

    into: Path
    taken: dict[Place, Journal]
    conflicts: list[str]

    def path(self, place: Place) -> Path:
        """Return the path of a journal in the target folder."""
        suite, key = place
        return self.into / suite / f"{key}.jsonl"

    @property
    def changes(self) -> dict[Path, Journal]:
        """The journals that have to be written, by their path in the target folder."""
        paths = {self.path(place): record for place, record in self.taken.items()}
        return {path: record for path, record in paths.items() if record.path != path}


def plan_merge(folders: Sequence[Path], into: Path) -> Merge:
    """Read all journals, those in `into` first, and choose one for each suite and key.

    Of journals with the same rounds, the first is chosen, unless a later one has ended with a better status. If the
    rounds of a journal are the first rounds of another one, the longer journal is chosen.

    Raises:
        SuiteError: if a folder holds no journals.
    """
    merge = Merge(into, {}, [])
    there = sorted(into.glob("[!.]*/*.jsonl"))
    for path in [*there, *(path for folder in folders for path in journals_in(folder))]:
        try:
            if (record := journal.read_started(path)) is not None:
                place = place_of(record)
                merge.taken[place] = _better(merge.taken.get(place, record), record)
        except JournalError as error:
            merge.conflicts.append(str(error))
    return merge


def carry_out(merge: Merge) -> int:
    """Write the journals that are new or longer. Each is written atomically, under its lock.

    A journal in `into` may have grown since the plan was made. It is therefore read again under its lock, and replaced
    only if the other journal is still longer.

    Returns:
        The number of journals written.

    Raises:
        SoftalError: if there are conflicts, a runner has locked a journal that would be written, or writing fails.
    """
    if merge.conflicts:
        raise SoftalError(f"nothing was written: conflicts in {len(merge.conflicts)} journals, named above")
    changes = merge.changes
    for path in changes:
        if journal.is_locked(path):
            raise SoftalError(f"nothing was written: a runner has {path}; merge again when it is done")
    return sum(_replaced(path, record) for path, record in changes.items())


def _replaced(path: Path, record: Journal) -> bool:
    """Replace the journal at `path`, under its lock, if `record` is better. Return whether it was replaced."""
    with journal.locked(path) as mine:
        if not mine:
            raise SoftalError(f"a runner has taken up {path} meanwhile; merge again when it is done")
        there = journal.read_started(path)
        if there is not None and _better(there, record) is there:
            return False
        lines = journal.complete_lines(record.path)
        write_atomically(path, lines, what_to_do="choose another folder with --into, then merge again")
        return True


def _better(one: Journal, other: Journal) -> Journal:
    """Return the journal with more content, or the first one if they are equal.

    Raises:
        JournalError: if they belong to different trials, or have different rounds or measurements.
    """
    first, second = journal.complete_lines(one.path), journal.complete_lines(other.path)
    if first.startswith(second) or second.startswith(first):
        return one if len(first) >= len(second) else other
    for name in _SAME:
        differs = getattr(one.header, name) != getattr(other.header, name)
        if differs and not (name in ("start", "provenance") and _undrawn(one, other)):
            raise JournalError(f"{one.path} and {other.path}: one key, but {name} differs; remove one of them")
    return (_better_cell if one.costs or other.costs else _longer)(one, other)


def _longer(one: Journal, other: Journal) -> Journal:
    pairs = zip(_rounds(one), _rounds(other), strict=False)
    number = next((number for number, (first, second) in enumerate(pairs) if first != second), None)
    if number is not None:
        raise JournalError(
            f"{one.path} and {other.path}: one key, but round {number} differs (other hardware rounds differently, or "
            "one was changed); remove one of them"
        )
    return max(
        one, other, key=lambda record: (len(record.rounds), record.status == Status.DONE, record.end is not None)
    )


def _better_cell(one: Journal, other: Journal) -> Journal:
    """Return the better journal of a cell. Raise JournalError if both are done with different measurements."""
    if one.status == other.status == Status.DONE and one.costs != other.costs:
        raise JournalError(f"{one.path} and {other.path}: two measurements of one cell; remove one of them")
    return max(one, other, key=lambda record: (record.status == Status.DONE, record.end is not None))


def _undrawn(one: Journal, other: Journal) -> bool:
    """Return whether one of them failed before its start set was drawn."""
    return any(not record.header.start and not record.rounds for record in (one, other))


def _rounds(record: Journal) -> list[Round]:
    """Return the rounds without timings and memory, which differ between machines."""
    return [replace(round_, seconds={}, peak_bytes=None) for round_ in record.rounds]
