"""The cells of a cost suite, read from its journals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from softal_bench.errors import JournalError
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import OVER_A_LIMIT, Cost, Status
from softal_bench.records.lookup import Problem, Recorded, look_up, many_journals, require_of, status_of
from softal_bench.suite import CostCondition, CostSuite


@dataclass(frozen=True)
class Cell(Recorded):
    """A cell of a cost suite with the cost line in its journal, if there is one."""

    condition: CostCondition
    line: Cost | None = None

    @property
    def samples(self) -> list[float]:
        """The seconds of one selection each."""
        return self.line.seconds if self.line else []

    @property
    def has_enough_samples(self) -> bool:
        """Whether it has enough samples to show a range. The time budget may allow fewer."""
        return len(self.samples) >= self.condition.measurement.min_samples

    @property
    def error(self) -> str:
        return super().error or (self.line.error or "" if self.line else "")


@dataclass(frozen=True)
class CostResults:
    """A cost suite and its cells, in file order."""

    suite: CostSuite
    cells: tuple[Cell, ...]
    problems: tuple[Problem, ...]

    def count(self, status: Status) -> int:
        """Return how many cells have this status."""
        return sum(cell.status == status for cell in self.cells)


def collect_cells(suite: CostSuite, runs: Path, leaderboard: Path) -> CostResults:
    """Read the journal of every cell of a cost suite, from `runs/<suite>/` and `leaderboard/records/<suite>/`.

    If a cell has two journals, `look_up` decides which one counts. A journal that cannot be read is added to the
    problems and raises no error. A cell without a journal is "not_tried" if a smaller B of its sweep exceeded a limit.
    """
    folders = [runs / suite.name, leaderboard / "records" / suite.name]
    problems: list[Problem] = []
    with many_journals():
        cells = [_cell(condition, folders, problems) for condition in suite.conditions]
    return CostResults(suite, tuple(with_not_tried(cells)), tuple(problems))


def _cell(condition: CostCondition, folders: list[Path], problems: list[Problem]) -> Cell:
    key = condition.key(0)

    def read(record: Journal) -> Cell:
        require_of(record, key, 0)
        return Cell(key, status_of(record), record, condition, checked_line(record, condition))

    def absent(status: Status) -> Cell:
        return Cell(key, status, None, condition)

    return look_up(key, folders, read, absent, problems)


def checked_line(record: Journal, condition: CostCondition) -> Cost | None:
    """Return the cost line of a cell, or None. Raise JournalError if the journal cannot be one of this condition."""
    lines = record.costs
    if record.rounds:
        raise JournalError(f"{record.path}: is the journal of a cost cell, but has rounds; move the file away")
    if len(lines) > 1:
        raise JournalError(f"{record.path}: {len(lines)} cost lines; a cell is measured once. Move the file away")
    if record.status == Status.DONE and not (lines and lines[0].seconds):
        raise JournalError(f"{record.path}: is done, but has no seconds; move it away to measure the cell again")
    for line in lines:
        _require_same(record, line, condition)
    return lines[0] if lines else None


def _require_same(record: Journal, line: Cost, condition: CostCondition) -> None:
    for name in ("batch_size", "pool_size", "posterior_samples"):
        if getattr(line, name) != getattr(condition, name):
            raise JournalError(
                f"{record.path}: {name} is {getattr(line, name)}, but {getattr(condition, name)} in the suite's cell "
                f"of this key; move the file away"
            )
    if line.acquired is not None and not len(set(line.acquired)) == len(line.acquired) == condition.batch_size:
        raise JournalError(
            f"{record.path}: acquired has {len(line.acquired)} positions, {len(set(line.acquired))} of them distinct; "
            f"need {condition.batch_size}; move the file away to measure the cell again"
        )
    if record.end and line.status != record.status:
        raise JournalError(
            f"{record.path}: ends as {str(record.status)!r}, but its cost line says {str(line.status)!r}"
        )


def with_not_tried(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells. Those without a journal are "not_tried" if a smaller B exceeded a limit, else "not_run"."""
    smallest: dict[str, float] = {}
    for cell in cells:
        if cell.status in OVER_A_LIMIT:
            sweep, batch_size = cell.condition.sweep(), cell.condition.batch_size
            smallest[sweep] = min(batch_size, smallest.get(sweep, batch_size))

    def known(cell: Cell) -> Cell:
        if cell.status not in (Status.NOT_RUN, Status.NOT_TRIED):
            return cell
        over = smallest and smallest.get(cell.condition.sweep(), math.inf) < cell.condition.batch_size
        return replace(cell, status=Status.NOT_TRIED if over else Status.NOT_RUN)

    return list(map(known, cells))
