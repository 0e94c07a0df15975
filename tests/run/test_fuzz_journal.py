"""Ten thousand damaged journals: each is read or gives an error that names it, and none causes a crash."""

import json
from pathlib import Path
from typing import Any

import pytest
from effort import EFFORT
from hypothesis import given, settings
from hypothesis import strategies as st

from softal_bench.errors import JournalError
from softal_bench.journal.file import Journal, read
from softal_bench.journal.lines import SCHEMA
from softal_bench.records.verify import Submitted, examine
from softal_bench.suite import load_suite

from .test_journal import ATTEMPT, INTERRUPT, round_line

NASTY: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    -0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "../../x",
    "<b>\u0000\ud800",
    "done",
    [],
    [1, 1],
    [1, None],
    [[1]],
    [2**70],
    {},
    {"name": "uniform"},
    {"label": "x", "name": "uniform", "parameters": {}},
    {"label": [], "name": [], "parameters": []},
    {"train": "x"},
]
NAMES = ["kind", "schema", "suite", "key", "condition", "trial", "start", "round", "labels", "accuracy", "acquired"]
NAMES += ["seconds", "peak_bytes", "status", "error", "nll", "provenance", "environment", "time", "extra"]
CONDITION = [
    "acquisition",
    "batch_size",
    "posterior_samples",
    "threads",
    "seed",
    "dataset",
    "model",
    "budget",
    "initial",
]
CONDITION += [
    "validation_size",
    "validation",
    "pool_subset",
    "training",
    "pool_size",
    "source",
    "measurement",
    "limits",
]
PARTS = [None, "label", "name", "parameters", "size", "patience"]
KINDS = ["header", "attempt", "round", "cost", "interrupt", "retry", "end", "note"]
RETRY = {"kind": "retry"}
FAILED = {"kind": "end", "status": "failed", "error": "why"}


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the header of a real trial, with the key of its condition."""
    path = tmp_path_factory.mktemp("suite") / "x.yaml"
    path.write_text(
        "{name: tiny, dataset: digits, validation_size: 32, initial: {size: 2}, budget: 4, model: digits_cnn, "
        "acquisition: uniform, batch_size: 1}"
    )
    condition = load_suite(path).conditions[0]
    provenance = {"name": "digits", "size": 1297, "sha256": "0" * 64}
    told = {"suite": "tiny", "key": condition.key(0), "condition": condition.describe(), "trial": 0, "start": [1, 2]}
    return {"kind": "header", "schema": SCHEMA, **told, "provenance": provenance}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the damaged journals are written one after the other."""
    return tmp_path_factory.mktemp("fuzz")


values = st.sampled_from(NASTY) | st.integers() | st.floats() | st.text(max_size=5)
changes = st.tuples(
    st.sampled_from(["set", "set", "drop", "repeat", "remove", "swap", "kind", "inside", "inside", "inside"]),
    st.integers(0, 99),
    st.sampled_from(NAMES),
    values,
)
splices = st.tuples(
    st.integers(0, 3000), st.integers(0, 40), st.binary(max_size=12) | st.sampled_from([b"\n", b"{}\n"])
)


def changed(journal: list[dict[str, Any]], change: tuple[str, int, str, Any]) -> list[dict[str, Any]]:
    """Return the journal with one line changed, dropped, repeated or moved."""
    how, number, name, value = change
    place = number % len(journal)
    line = journal[place]
    before, after = journal[:place], journal[place + 1 :]
    if how == "inside":
        return [
            {**line, "condition": changed_inside(line["condition"], number, value)} if line.get("condition") else line
            for line in journal
        ]
    return {
        "set": [*before, {**line, name: value}, *after],
        "drop": [*before, {key: kept for key, kept in line.items() if key != name}, *after],
        "repeat": [*before, line, line, *after],
        "remove": [*before, *after] or journal,
        "swap": [*after, *before, line],
        "kind": [*before, {**line, "kind": KINDS[len(name) % len(KINDS)]}, *after],
    }.get(how, journal)


def changed_inside(condition: Any, number: int, value: Any) -> Any:
    """Return the condition with one key, or one part of a plugin, changed."""
    key, part = CONDITION[number % len(CONDITION)], PARTS[number % len(PARTS)]
    if not isinstance(condition, dict):
        return value
    before = condition.get(key)
    return {**condition, key: {**before, part: value} if isinstance(before, dict) and part else value}


def of_lines(header: dict[str, Any], retried: bool) -> list[dict[str, Any]]:
    failed_before = [ATTEMPT, FAILED, RETRY, header] if retried else []
    rounds = [{**round_line(number), "acquired": [9 - number] if number < 2 else []} for number in range(3)]
    return [header, *failed_before, ATTEMPT, INTERRUPT, *rounds, {"kind": "end", "status": "done", "error": None}]


def outcome(path: Path) -> tuple[Journal | JournalError, Submitted | JournalError]:
    found: list[Any] = []
    for reader in (read, examine):
        try:
            found.append(reader(path))
        except JournalError as error:
            found.append(error)
    return found[0], found[1]


def test_the_undamaged_journal_is_valid(header: dict[str, Any], folder: Path) -> None:
    path = folder / f"{header['key']}.jsonl"
    for retried in (False, True):
        path.write_text("".join(json.dumps(line) + "\n" for line in of_lines(header, retried)))
        record, submitted = outcome(path)
        assert isinstance(record, Journal), record
        assert isinstance(submitted, Submitted), submitted


@pytest.mark.long
@settings(max_examples=10_000 * EFFORT)
@given(
    st.booleans(),
    st.lists(changes, max_size=3),
    st.sampled_from(range(5)).flatmap(lambda one: splices if one == 4 else st.none()),
)
def test_a_damaged_journal_is_read_or_named_in_an_error(
    header: dict[str, Any], folder: Path, retried: bool, damage: list[Any], splice: tuple[int, int, bytes] | None
) -> None:
    journal = of_lines(header, retried)
    for change in damage:
        journal = changed(journal, change)
    data = b"".join(json.dumps(line).encode() + b"\n" for line in journal)
    if splice:
        at, over, put = splice
        data = data[:at] + put + data[at + over :]
    path = folder / f"{header['key']}.jsonl"
    path.write_bytes(data)
    for found in outcome(path):
        if isinstance(found, JournalError):
            assert str(found).startswith(f"{path}: ")
            assert len(str(found)) < 3000
        else:
            assert found is not None
