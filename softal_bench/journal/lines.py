"""The lines of a journal: what each kind has to hold, and the reading of those that strangers wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from softal_bench.errors import JournalError

SCHEMA = 1
ANEW = "move the file away to run the trial anew"
Line = dict[str, Any]
_REQUIRED = {
    "header": {"schema", "suite", "key", "condition", "trial", "start"},
    "round": {"round", "labels", "accuracy", "nll", "acquired", "seconds", "peak_bytes"},
    "cost": {
        "batch_size",
        "pool_size",
        "posterior_samples",
        "num_classes",
        "source",
        "status",
        "seconds",
        "peak_bytes",
    },
    "end": {"status"},
    "stale": {"plugins"},
}
_INDICES = ("start", "acquired")


def parsed(path: Path, data: bytes) -> Iterator[Line]:
    """Yield the complete lines of a journal; one without its newline was torn by a crash.

    Raises:
        JournalError: if one is not JSON, or lacks what its kind has to hold; names the file and the line.
    """
    complete, _, _torn = data.rpartition(b"\n")
    for number, text in enumerate(complete.split(b"\n") if complete else [], start=1):
        try:
            line = from_json(text)  # refuses half characters, which UTF-8 cannot spell, and nesting without end
        except ValueError as error:
            raise JournalError(f"{path}: line {number} is not JSON; {ANEW}") from error
        if why := _why_unsound(line):
            raise JournalError(f"{path}: line {number}{why}; {ANEW}")
        yield line


def _why_unsound(line: object) -> str | None:
    """Why a line of JSON is none of a journal, or None."""
    if not isinstance(line, dict):
        return " is no JSON object"
    kind = line.get("kind")
    required = _REQUIRED.get(kind) if isinstance(kind, str) else None
    if required is not None:
        if not required <= line.keys():
            return f" lacks {', '.join(sorted(required - line.keys()))}"
        if not isinstance(line.get("status", ""), str):
            return ": status has to be a text"
    return _why_values_unsound(line)


def _why_values_unsound(line: Line) -> str | None:
    """Why a value of a line, which has all that its kind has to hold, is none that it can have, or None."""
    kind = line.get("kind")
    if kind == "round" and not _are_seconds(line["seconds"]):
        return ": seconds has to be a mapping of phases to numbers"
    if kind in ("header", "stale") and not _are_plugins(line.get("plugins", [])):
        return ": plugins has to be a list of objects with texts as kind and name"
    for name in _INDICES:
        values = line.get(name)
        if name in line and not (isinstance(values, list) and set(map(type, values)) <= {int}):
            return f": {name} has to be a list of indices"
    return None


def _are_plugins(value: object) -> bool:
    """Whether each of them names a plugin."""
    return isinstance(value, list) and all(
        isinstance(plugin, dict) and isinstance(plugin.get("kind"), str) and isinstance(plugin.get("name"), str)
        for plugin in value
    )


def _are_seconds(value: object) -> bool:
    """Whether they can be added up."""
    return isinstance(value, dict) and set(map(type, value.values())) <= {int, float, type(None)}
