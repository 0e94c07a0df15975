"""Verification of submitted journals: each must be consistent in itself, and its rounds must be reproducible."""

import hashlib
import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

import torch

from softal_bench.errors import DataError, JournalError, SoftalError, shown
from softal_bench.journal import file as journal
from softal_bench.journal.file import Journal, complete_lines
from softal_bench.journal.lines import Environment, Round
from softal_bench.journal.origin import environment, versions
from softal_bench.machine.device import computing
from softal_bench.records.cells import checked_line
from softal_bench.records.lookup import place_of, require_of
from softal_bench.records.trials import checked_rounds
from softal_bench.registry import Plugin
from softal_bench.registry.parameters import fields_of
from softal_bench.suite import Condition, CostCondition, condition_of
from softal_bench.trial.attribution import Ended
from softal_bench.trial.data import load_splits, prepare
from softal_bench.trial.trial import Trial

TOLERANCE = 0.02  # the largest difference in accuracy between machines that round differently
ANOTHER_DEVICE = "kind of device"
_SEPARATORS = tuple(filter(None, {"/", os.sep, os.altsep}))
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Together with the condition, which includes the number of threads, these determine how numbers are rounded.
_HARDWARE = ("device_name", "platform")
_SOFTWARE = ("softal-bench", "torch", "numpy")


class NotRerun(JournalError):
    """A round was not run again, because its journal names a path that must not be opened."""


@dataclass(frozen=True)
class Submitted:
    """A journal that is consistent in itself.

    Attributes:
        record: the journal.
        condition: the condition that its header describes.
        rounds: the rounds of a trial; empty for a cell.
    """

    record: Journal
    condition: Condition | CostCondition
    rounds: tuple[Round, ...]

    @property
    def trial(self) -> int:
        """The number of the trial."""
        return self.record.header.trial

    @property
    def name(self) -> str:
        """The name of the trial in messages."""
        return f"{self.condition.acquisition.label}, B={self.condition.batch_size}, trial {self.trial}"


def examine(path: Path) -> Submitted:
    """Read a journal and check everything that does not need its data: schema, names, key and rounds.

    Raises:
        JournalError: if a check fails, or its key cannot be computed here because a plugin is not installed.
    """
    record = journal.read(path)
    place_of(record)
    condition, number = _condition(record), record.header.trial
    key = condition.key(number)
    if record.header.key != key:
        raise JournalError(
            f"{path}: the key of its condition is {key}, not {record.header.key}: the condition was changed, or a "
            "plugin has another revision here"
        )
    require_of(record, key, number)
    if isinstance(condition, CostCondition):
        checked_line(record, condition)
        return Submitted(record, condition, ())
    rounds = checked_rounds(record, condition)
    if rounds:
        _require_acquired(record, rounds, condition)
    return Submitted(record, condition, rounds)


def _condition(record: Journal) -> Condition | CostCondition:
    described = record.header.condition
    try:
        condition = condition_of(described)
        condition.require_sound()
    except SoftalError as error:
        raise JournalError(f"{record.path}: its condition cannot be built here: {error}") from error
    return condition


def _require_acquired(record: Journal, rounds: tuple[Round, ...], condition: Condition) -> None:
    """Raise JournalError unless the start set and all acquired batches are distinct examples of the data set."""
    path, start, size = record.path, record.header.start, _size(record)
    if len(start) != condition.initial.size:
        raise JournalError(f"{path}: its start set has {len(start)} indices, not {condition.initial.size}")
    labelled = list(start)
    for round_ in rounds:
        labelled += round_.acquired
    if len(set(labelled)) < len(labelled):
        raise JournalError(f"{path}: an example was acquired twice: {shown(_repeated(labelled))}")
    if not 0 <= min(labelled) <= max(labelled) < size:
        raise JournalError(f"{path}: indices from {min(labelled)} to {max(labelled)}; the data set has 0 to {size - 1}")


def _size(record: Journal) -> int:
    """Return the number of training examples from the provenance. Raise JournalError if the provenance is invalid."""
    provenance = record.header.provenance
    if provenance is not None and _SHA256.fullmatch(str(provenance.get("sha256"))):
        size = provenance.get("size")
        if type(size) is int and size > 0:
            return size
    raise JournalError(f"{record.path}: its provenance is {shown(provenance)}; need name, size, and sha256")


def _repeated(indices: list[int]) -> list[int]:
    seen: set[int] = set()
    return [index for index in indices if index in seen or seen.add(index)]  # type: ignore[func-returns-value]


def run_again(
    record: Journal,
    condition: Condition,
    number: int,
    data_root: Path,
    device: torch.device,
    *,
    trusted: Path | None = None,
) -> Round:
    """Compute a round on this machine, after the rounds before it in the journal, and return its line.

    Args:
        record: the journal.
        condition: the condition of the journal.
        number: the number of the round.
        data_root: the folder of data.
        device: where to compute.
        trusted: the folder that contains all paths that a journal may name; None if no path may be opened.

    Raises:
        NotRerun: if the journal names a path outside the trusted folder; nothing was opened.
        JournalError: if the journal is based on other data, a batch cannot have been acquired, or the round fails.
    """
    _require_trusted_paths(record, condition, data_root, trusted)
    try:
        prepare(condition.dataset, data_root)
        with computing(condition.threads):
            return _round(record, condition, number, data_root, device)
    except (JournalError, DataError, Ended, MemoryError) as error:
        why = str(error) or type(error).__name__
        raise JournalError(f"{record.path}: round {number} cannot be run again: {why}") from error


def _require_trusted_paths(record: Journal, condition: Condition, data_root: Path, trusted: Path | None) -> None:
    """Raise NotRerun if a plugin in the journal, which may be untrusted, has a path outside `trusted`."""
    folder = None if trusted is None else trusted.resolve()
    for text in dict.fromkeys(path for plugin in condition.plugins() for path in _paths_of(plugin)):
        try:
            path = (data_root / text).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # no file has such a name, or its links form a loop
            raise NotRerun(
                f"{record.path}: it names the path {shown(text)}, which no file can have: {error}"
            ) from error
        if folder is None or not path.is_relative_to(folder):
            raise NotRerun(
                f"{record.path}: it names the path {shown(text)}, which is not opened; if you trust it, pass "
                "--data-dir with a folder that contains it"
            )


def _paths_of(plugin: Plugin[Any]) -> Iterator[str]:
    """Yield all parameters of a plugin, and of its nested plugins, that are declared as paths or look like paths."""
    for name, field in fields_of(type(plugin.instance)).items():
        is_declared = field.metadata.get("is_path") or isinstance(getattr(plugin.instance, name), PurePath)
        is_path = bool(is_declared) or name == "path"
        yield from (text for text in _strings(plugin.parameters[name]) if is_path or _looks_like_a_path(text))
    for nested in plugin.nested:
        yield from _paths_of(nested)


def _strings(value: object) -> Iterator[str]:
    """Yield all strings in a JSON value, including keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _strings(item)


def _looks_like_a_path(text: str) -> bool:
    return text == os.pardir or any(separator in text for separator in _SEPARATORS)


def kind_of_device(record: Journal, number: int) -> str:
    """Return the kind of device that computed a round, as `--device` names it, or "auto" if it is unknown."""
    there = _environment_of(record, number)
    return there.device.partition(":")[0] if there and there.device else "auto"


def _environment_of(record: Journal, number: int) -> Environment | None:
    reached = [one for one in record.attempts if one.measured <= number and one.environment.is_known]
    return reached[-1].environment if reached else record.header.environment


def unlike_here(record: Journal, condition: Condition, number: int, device: torch.device) -> list[str]:
    """Return the properties that affect rounding in which the machine that ran a round differs from this machine."""
    there = _environment_of(record, number)
    here = environment(device, condition.threads)
    packages, packages_here = record.header.versions or {}, versions(condition)
    other = there is not None and there.device is not None and there.device.partition(":")[0] != device.type
    return [
        *([ANOTHER_DEVICE] if other else []),
        *[name for name in _HARDWARE if there is None or getattr(there, name) != getattr(here, name)],
        *[name for name in _SOFTWARE if packages.get(name) != packages_here[name]],
    ]


def _round(record: Journal, condition: Condition, number: int, data_root: Path, device: torch.device) -> Round:
    trial_number = record.header.trial
    splits = load_splits(condition, trial_number, data_root)
    trial = Trial(condition, trial_number, splits, device)
    for name, now in (("start", trial.start), ("provenance", asdict(splits.provenance))):
        if (there := getattr(record.header, name)) != now:
            raise JournalError(f"its {name} is {shown(there)}, these data give {shown(now)}")
    acquired = [round_.acquired for round_ in record.rounds[:number]]
    trial.require_replayable(acquired)
    return next(trial.rounds(acquired))


@dataclass(frozen=True)
class Comparison:
    """The comparison of a round in a journal with the same round computed on this machine.

    Attributes:
        same: whether the two count as the same.
        text: a description of the comparison in words.
    """

    same: bool
    text: str


def sample(submitted: Sequence[Submitted], count: int) -> list[tuple[Submitted, int]]:
    """Return at most `count` rounds, drawn at random with a hash of all the journals as the seed.

    So nobody can choose which rounds of a folder are run again, and everybody draws the same rounds. They are in the
    order of the journals, so that rounds that share their data follow one another.
    """
    rounds = [(place, number) for place, one in enumerate(submitted) for number in range(len(one.rounds))]
    digests = sorted(hashlib.sha256(complete_lines(one.record.path)).hexdigest() for one in submitted)
    drawn = random.Random("".join(digests)).sample(rounds, min(count, len(rounds)))
    return [(submitted[place], number) for place, number in sorted(drawn)]


def compare(of: Submitted, number: int, line: Round, differences: Sequence[str]) -> Comparison:
    """Compare a round of a journal with the same round computed on this machine.

    On the same kind of machine, accuracy and indices have to be equal. If something that affects rounding differs, the
    accuracies have to agree within `TOLERANCE`. The number of equal indices is reported but may differ, because
    rounding decides between nearly equal scores.

    Args:
        of: the journal.
        number: the number of the round.
        line: the round as computed on this machine.
        differences: the result of `unlike_here`.
    """
    journalled, again = of.rounds[number], line.acquired
    shared = len(set(journalled.acquired) & set(again))
    indices = f"{shared} of {len(journalled.acquired)} indices the same"
    accuracy = f"accuracy {journalled.accuracy:.4f} there, {line.accuracy:.4f} here"
    exact = (journalled.acquired, journalled.accuracy) == (again, line.accuracy)
    if exact:
        return Comparison(True, f"exactly the same, accuracy {journalled.accuracy:.4f}")
    if not differences:
        return Comparison(False, f"differs on the same kind of machine: {indices}, {accuracy}")
    close = abs(journalled.accuracy - line.accuracy) <= TOLERANCE and len(journalled.acquired) == len(again)
    where = f"{accuracy}, {indices}; not the same {', '.join(differences)}, which change rounding"
    if not close:
        return Comparison(False, f"differs by more than {TOLERANCE}: {where}")
    checked = "only plausibility was checked, on another kind of device: " if ANOTHER_DEVICE in differences else ""
    return Comparison(True, f"{checked}within {TOLERANCE}: {where}")
