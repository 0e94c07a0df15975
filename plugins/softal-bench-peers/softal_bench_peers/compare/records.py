"""The record of side-by-side timings: a JSON list with one object for each comparison."""

import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, computed_field

from softal_bench.errors import SoftalError
from softal_bench.machine.files import disk_errors, write_atomically

Value = int | float | str


class Together(NamedTuple):
    """What rows that were measured together have in common, as texts; empty if the record does not say.

    Attributes:
        run: when the command that measured them was started, UTC; empty in records of earlier versions.
        date: the day, which orders records without a run.
        torch: PyTorch's version.
        processor: the names of the device and of the CPU.
    """

    run: str
    date: str
    torch: str
    processor: str

    @property
    def when(self) -> str:
        """The start of the run, or the day if the run is not recorded."""
        return self.run or self.date


class Comparison(BaseModel):
    """One kind of work in one setting, done in turn by another implementation and by this suite on the same inputs.

    A measurement of this suite alone has no peer and no ratio, and `same_answer` is usually None.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    work: str = Field(description="The kind of work; the page has a section for each.")
    setting: str = Field(description="Sizes and dtype.")
    peer: str | None = Field(description="The other implementation, if there is one.")
    peer_seconds: list[float] = Field(description="The peer's samples, in the order in which they were taken.")
    our_seconds: list[float] = Field(description="Our samples, each taken right before or after that of the peer.")
    same_answer: bool | None = Field(description="Whether both gave the same answer; None if nothing was compared.")
    method: str = Field("", description="What was timed and compared, and what counts as the same answer.")
    details: dict[str, Value] = Field(default_factory=dict, description="Further figures: name with unit -> value.")
    environment: dict[str, Value] = Field(default_factory=dict, description="Machine, software and date.")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ratio(self) -> float | None:
        """Median of the peer's seconds over median of ours; above 1 where this suite is faster."""
        if not (self.peer_seconds and self.our_seconds):
            return None
        return statistics.median(self.peer_seconds) / statistics.median(self.our_seconds)

    @property
    def paired_ratios(self) -> list[float]:
        """The ratio of each pair of samples that were taken one right after the other."""
        return [theirs / ours for theirs, ours in zip(self.peer_seconds, self.our_seconds, strict=False)]

    @property
    def device(self) -> str:
        """The kind of device: cpu or cuda."""
        return str(self.environment.get("device", "")).partition(":")[0]

    @property
    def together(self) -> "Together":
        """What this row has in common with those that were measured together with it."""
        packages = re.search(r"(?:^|, )torch ([^,\s]+)", str(self.environment.get("packages", "")))
        torch = str(self.environment.get("torch") or (packages[1] if packages else ""))
        processors = [str(self.environment[key]) for key in ("device_name", "processor") if key in self.environment]
        return Together(
            run=str(self.environment.get("run", "")),
            date=str(self.environment.get("date", "")),
            torch=torch,
            processor=", ".join(dict.fromkeys(processors)),
        )

    @property
    def place(self) -> tuple[str, str, str | None, str]:
        """What identifies the comparison: a later measurement replaces the one with the same value."""
        return self.work, self.setting, self.peer, self.device


_RECORD = TypeAdapter(list[Comparison])


def read_comparisons(path: Path) -> list[Comparison]:
    """Read a record. If there is no file, it is empty.

    Raises:
        SoftalError: if the file cannot be read or is not such a record.
    """
    if not path.is_file():
        return []
    with disk_errors(path):
        text = path.read_bytes()
    try:
        return _RECORD.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise SoftalError(
            f"{path}: {where}: {first['msg']}; the file must be a list of comparisons as `make compare` writes "
            "it. Restore it or move it away, then run `make compare` again"
        ) from error


def merge_comparison(path: Path, new: Comparison, works: Sequence[str]) -> None:
    """Add a comparison to a record, or replace an earlier measurement of the same. The file is written atomically.

    Args:
        path: the record, which is created if it is missing.
        new: the comparison.
        works: the order of kinds of work in the record. Others keep their order, at the end.

    Raises:
        SoftalError: if the record cannot be read or written.
    """
    known = read_comparisons(path)
    at = next((i for i, old in enumerate(known) if old.place == new.place), len(known))
    merged = [*known[:at], new, *known[at + 1 :]]
    rank = {work: number for number, work in enumerate(works)}
    merged.sort(key=lambda one: rank.get(one.work, len(rank)))
    data = json.dumps([one.model_dump() for one in merged], indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (data + "\n").encode())
