"""Compare golden trials, as the current code computes them, with the golden file.

Each round is computed from the golden indices of the rounds before it. It is therefore compared on its own, and a pick
changed by rounding does not affect later rounds. Random choices are compared exactly, numbers within a tolerance, and
acquired indices as far as they are decided by more than rounding (see `margins`).
"""

import json
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from softal_bench.errors import SoftalError
from softal_bench.suite import Condition
from softal_bench.suite.condition import PROTOCOL_REVISION
from softal_bench.trial.attribution import Ended

from .record import Record, setup_and_rounds
from .trials import TRIALS, Spec, write_data

GOLDEN_FILE = Path(__file__).parent / "golden.json"
TOLERANCE = 1e-3  # nats for NLL, mean log-probs and scores; also used for inputs
EXAMPLES = 2  # of the test set that may be classified differently

_EXACT = ("seeds", "masks", "start", "labelled", "validation", "best_epoch", "pool_size")
_WITHIN_TOLERANCE = ("nll", "log_probs")

REGENERATE = "python -m tests.golden"


@dataclass(frozen=True)
class Difference:
    """A field of a golden trial that has changed.

    Attributes:
        round: None for a field of the whole trial.
        field: its name in the golden file; "error" if the trial raised.
        problem: the old and the new value.
    """

    trial: str
    round: int | None
    field: str
    problem: str

    def __str__(self) -> str:
        where = self.trial if self.round is None else f"{self.trial}, round {self.round}"
        return f"{where}: {self.field}: {self.problem}"


def read_golden() -> Record:
    """Return the contents of the golden file."""
    golden: Record = json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))
    return golden


def compare(names: list[str] | None = None, golden: Record | None = None) -> list[Difference]:
    """Compute the named golden trials, by default all, and return how they differ from the golden file."""
    golden = golden or read_golden()
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder))
        return [
            difference
            for name in names or golden["trials"]
            for difference in differences(name, golden["trials"][name], Path(folder))
        ]


def differences(name: str, golden: Record, data_root: Path) -> Iterator[Difference]:
    """Compute one golden trial, round by round, and yield how it differs from its entry in the golden file."""
    history = [entry["acquired"] for entry in golden["rounds"]]
    number = None
    try:
        computed = setup_and_rounds(golden["condition"], data_root, history)
        setup = next(computed)
        yield from _setup_differences(name, golden["setup"], setup)
        for number, was in enumerate(golden["rounds"]):
            yield from round_differences(name, number, was, next(computed), setup["data"]["test_size"])
    except (SoftalError, Ended, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        yield Difference(name, number, "error", f"{type(error).__name__}: {error}")


def outdated(name: str, golden: Record) -> str | None:
    """Return why a trial's golden entry cannot be compared with this code; None if it can."""
    entry = golden["trials"].get(name)
    if entry is None:
        return f"{name} is not in the golden file."
    if golden["protocol_revision"] != PROTOCOL_REVISION:
        return f"PROTOCOL_REVISION is {PROTOCOL_REVISION}, that of the golden file {golden['protocol_revision']}."
    if entry["condition"] != TRIALS[name]:
        return f"The condition of {name} in tests/golden/trials.py is not the one in the golden file."
    if entry["revisions"] != revisions_of(TRIALS[name]):
        return f"Plugin revisions of {name} are {revisions_of(TRIALS[name])}, in the golden file {entry['revisions']}."
    return None


def failure(name: str, golden: Record, data_root: Path) -> str | None:
    """Return the message of a test if a golden trial has changed; None if it has not."""
    reason = outdated(name, golden)
    if reason:
        return (
            f"{reason} Regenerate the golden file with `{REGENERATE}`, and review how it changed. "
            "All records under older revisions are outdated."
        )
    found = list(differences(name, golden["trials"][name], data_root))
    if not found:
        return None
    lines = [f"  {difference}" for difference in found]
    return "\n".join(
        [
            f"Results changed, but the revision did not: PROTOCOL_REVISION is still {PROTOCOL_REVISION}.",
            *lines,
            f"The golden file was made with {golden['made_with']}, this is {made_with()}.",
            "If results should not change, undo the change. Otherwise raise PROTOCOL_REVISION in "
            "softal_bench/suite/condition.py (or, if only one plugin changed, its `revision`) and regenerate the "
            f"golden file with `{REGENERATE}`. All existing records, or those of that plugin, become outdated.",
        ]
    )


def revisions_of(spec: Spec) -> dict[str, str]:
    """Return the revision of each plugin of a condition."""
    return {plugin.name: str(plugin.revision) for plugin in Condition(**spec).plugins()}


def made_with() -> dict[str, str]:
    """Return what may change rounding, for the message of a failure; it is not compared."""
    return {"torch": torch.__version__, "numpy": np.__version__, "machine": platform.machine()}


def _setup_differences(name: str, was: Record, now: Record) -> Iterator[Difference]:
    yield from _exact_differences(name, None, was, now)
    was_data, now_data = dict(was["data"]), dict(now["data"])
    if _furthest(was_data.pop("last_input"), now_data.pop("last_input")) > TOLERANCE or was_data != now_data:
        yield Difference(name, None, "data", _changed(was["data"], now["data"]))


def round_differences(name: str, number: int, was: Record, now: Record, test_size: int) -> Iterator[Difference]:
    if was["best_epoch"] != now["best_epoch"] and was["validation_gap"] <= TOLERANCE:
        return  # rounding decided which epoch's weights were kept, so the numbers of this round are not comparable
    yield from _exact_differences(name, number, was, now)
    for field in _WITHIN_TOLERANCE:
        if field in was and (distance := _furthest(was[field], now.get(field))) > TOLERANCE:
            problem = f"{_changed(was[field], now.get(field))}; {distance:.3g} apart, {TOLERANCE} is allowed"
            yield Difference(name, number, field, problem)
    if abs(was["accuracy"] - now["accuracy"]) * test_size > EXAMPLES + 0.01:
        problem = f"{_changed(was['accuracy'], now['accuracy'])}; {EXAMPLES} of {test_size} examples are allowed"
        yield Difference(name, number, "accuracy", problem)
    firm = decided(was)
    if len(was["acquired"]) != len(now["acquired"]) or was["acquired"][:firm] != now["acquired"][:firm]:
        problem = f"{_changed(was['acquired'], now['acquired'])}; the first {firm} are decided by more than rounding"
        yield Difference(name, number, "acquired", problem)
    elif firm and _furthest(was["scores"][:firm], now["scores"][:firm]) > TOLERANCE:
        yield Difference(name, number, "scores", _changed(was["scores"][:firm], now["scores"][:firm]))


def _exact_differences(name: str, number: int | None, was: Record, now: Record) -> Iterator[Difference]:
    for field in _EXACT:
        if was.get(field) != now.get(field):
            if isinstance(was.get(field), dict) and isinstance(now.get(field), dict):
                parts = sorted(key for key in was[field] | now[field] if was[field].get(key) != now[field].get(key))
                problem = "; ".join(f"{key}: {_changed(was[field].get(key), now[field].get(key))}" for key in parts)
            else:
                problem = _changed(was.get(field), now.get(field))
            yield Difference(name, number, field, problem)


def decided(entry: Record) -> int:
    """Return how many of a round's first picks are decided by more than rounding."""
    margins = entry.get("margins")
    if margins is None:
        return len(entry["acquired"])
    return next((pick for pick, margin in enumerate(margins) if margin <= 0), len(margins))


def _furthest(was: Any, now: Any) -> float:
    """Return the largest distance of two numbers at the same place; infinite if the shapes differ."""
    was, now = np.asarray(was, dtype=float), np.asarray(now, dtype=float)
    if was.shape != now.shape:
        return float("inf")
    return float(np.nan_to_num(np.abs(was - now), nan=np.inf).max(initial=0.0))


def _changed(was: Any, now: Any) -> str:
    return f"was {_shortened(was)}, is {_shortened(now)}"


def _shortened(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
