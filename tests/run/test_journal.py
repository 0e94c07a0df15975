"""A journal is written line by line, survives a crash at any byte, and belongs to one runner."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softal_bench.errors import JournalError, StorageError
from softal_bench.journal.file import Journal, JournalWriter, append, is_locked, locked, read, read_started
from softal_bench.journal.lines import SCHEMA, End, Line, Round, Status, encode, parse_json

HEADER = {"kind": "header", "schema": SCHEMA, "suite": "s", "key": "k", "condition": {}, "trial": 0, "start": [1, 2]}
ATTEMPT = {"kind": "attempt", "time": "2025-01-01T00:00:00+00:00"}
INTERRUPT = {"kind": "interrupt", "time": "2025-01-01T00:00:00+00:00"}
END = {"kind": "end", "status": "done", "error": None}


def round_line(number: int) -> dict[str, Any]:
    seconds = {"train": 0.5, "evaluate": 0.1}
    numbers = {"accuracy": 0.5, "nll": 1.5, "peak_bytes": 1}
    return {
        "kind": "round",
        "round": number,
        "labels": 2 + number,
        "acquired": [9 - number],
        "seconds": seconds,
        **numbers,
    }


def typed(line: dict[str, Any]) -> Line:
    """Return a line as the writer accepts it."""
    found = parse_json(line)
    assert found is not None
    return found


LINES: list[dict[str, Any]] = [HEADER, ATTEMPT, round_line(0), round_line(1), END]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a trial's journal, whose folder does not exist yet."""
    return tmp_path / "runs" / "s" / "k.jsonl"


def write(path: Path, *lines: dict[str, Any]) -> None:
    writer = JournalWriter(path)
    for line in lines:
        writer.write(typed(line))
    writer.close()


def read_of(path: Path, *lines: dict[str, Any]) -> Journal:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read(path)


def test_written_lines_are_read_back(path: Path) -> None:
    write(path, *LINES)
    record = read(path)
    assert record.header == typed(HEADER)
    assert record.rounds == [typed(round_line(0)), typed(round_line(1))]
    assert record.end == typed(END)
    assert record.status == "done"
    assert len(record.attempts) == 1


def test_a_journal_is_json_lines_in_utf_8(path: Path) -> None:
    write(path, HEADER, {"kind": "end", "status": "failed", "error": "∞\nsecond line"})
    first, second = path.read_bytes().decode("utf-8").splitlines()
    assert HEADER.items() <= json.loads(first).items()
    assert json.loads(second)["error"] == "∞\nsecond line"
    assert "∞" in second


def test_a_line_is_on_the_disk_before_the_next_one_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []

    def slow(_descriptor: int) -> None:
        time.sleep(0.02)
        synced.append(path.read_bytes())

    writer = JournalWriter(path)
    monkeypatch.setattr(os, "fsync", slow)
    for line in LINES:
        writer.write(typed(line))
    writer.close()
    complete = b""
    for line, data in zip(LINES, synced, strict=True):
        complete += encode(typed(line))
        assert data == complete


def test_a_written_line_is_readable_without_waiting_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    writer = JournalWriter(path)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: go_on.wait(10))
    writer.write(typed(HEADER))
    assert read(path).header == typed(HEADER)
    go_on.set()
    writer.close()


def test_opening_a_journal_again_appends_to_it(path: Path) -> None:
    write(path, HEADER, ATTEMPT)
    before = path.read_bytes()
    write(path, round_line(0))
    assert path.read_bytes().startswith(before)
    assert read(path).rounds == [typed(round_line(0))]


def test_a_torn_last_line_is_ignored_on_reading_and_removed_before_the_next_write(path: Path) -> None:
    write(path, HEADER, ATTEMPT, round_line(0))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind": "round", "rou')
    assert read(path).rounds == [typed(round_line(0))]
    write(path, round_line(1))
    assert path.read_bytes() == whole + encode(typed(round_line(1)))


def test_a_last_line_without_a_newline_is_torn_even_if_it_is_json(path: Path) -> None:
    write(path, *LINES)
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    assert read(path).status == "unfinished"


def test_a_journal_cut_at_any_byte_keeps_its_complete_lines_and_resumes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # a thousand calls take too long
    write(path, *LINES)
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n")
        assert (read_started(path) is None) == (complete == 0)
        if complete:
            record = read(path)
            assert len(record.attempts) + len(record.rounds) + bool(record.end) == complete - 1
        else:
            with pytest.raises(JournalError, match="first line is not a header"):
                read(path)
        write(path, *LINES[complete:])
        assert path.read_bytes() == whole


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a file that tests damage."""
    return tmp_path_factory.mktemp("damaged") / "k.jsonl"


@given(st.binary(max_size=200), st.integers(0, 500), st.integers(0, 60))
def test_a_damaged_journal_raises_only_a_journal_error(damaged: Path, damage: bytes, at: int, over: int) -> None:
    whole = "".join(json.dumps(line) + "\n" for line in LINES).encode()
    damaged.write_bytes(whole[:at] + damage + whole[at + over :])
    found = record_or_error(damaged)
    if isinstance(found, JournalError):
        assert str(found).startswith(f"{damaged}: ")
    else:
        assert found.header.schema == SCHEMA


def record_or_error(path: Path) -> Journal | JournalError:
    try:
        return read(path)
    except JournalError as error:
        return error


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{broken", "line 3 is not JSON"),
        ("", "line 3 is not JSON"),
        ("\x00" * 10, "line 3 is not JSON"),
        ("[1, 2]", "line 3 is not a JSON object"),
        ("12", "line 3 is not a JSON object"),
        ("NaN", "line 3 is not a JSON object"),
        ("[" * 100_000, "line 3 is not JSON"),
        ("9" * 5000, "line 3 is not JSON"),
        ('{"kind": "round", "round": 0}', "line 3 (round) lacks accuracy, acquired, labels"),
        ('{"kind": "end"}', "line 3 (end) lacks status"),
    ],
)
def test_a_broken_line_in_the_middle_is_an_error_that_names_the_line(path: Path, line: str, what: str) -> None:
    write(path, HEADER, ATTEMPT)
    with path.open("a") as file:
        file.write(f"{line}\n{json.dumps(END)}\n")
    with pytest.raises(JournalError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: {what}")
    assert "move the file away" in str(error.value)


@pytest.mark.parametrize("acquired", [5, "12", None, {"a": 1}, [1.5], ["1"], [None], [True], [[1]]], ids=str)
def test_a_round_with_invalid_acquired_indices_is_an_error_that_names_the_line(path: Path, acquired: Any) -> None:
    with pytest.raises(JournalError, match=r"line 3"):
        read_of(path, HEADER, ATTEMPT, {**round_line(0), "acquired": acquired})


@pytest.mark.parametrize("first", [ATTEMPT, END, round_line(0), {"kind": "unknown"}, {}])
def test_a_journal_must_begin_with_a_header(path: Path, first: dict[str, Any]) -> None:
    with pytest.raises(JournalError, match="not a journal: the first line is not a header"):
        read_of(path, first, HEADER)


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, "1", None])
def test_a_journal_of_another_schema_is_an_error_that_names_both_schemas(path: Path, schema: Any) -> None:
    with pytest.raises(JournalError, match=f"schema {schema!r}; this version reads schema {SCHEMA}. Update"):
        read_of(path, {**HEADER, "schema": schema})


def test_a_line_of_an_unknown_kind_is_ignored(path: Path) -> None:
    record = read_of(path, HEADER, ATTEMPT, {"kind": "note", "text": "x"}, round_line(0), END)
    assert len(record.rounds) == 1
    assert record.status == "done"


def test_a_missing_or_unreadable_file_is_a_journal_error(path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        read(path)
    path.mkdir(parents=True)
    with pytest.raises(JournalError, match="cannot be read: is not a regular file"):
        read(path)


def test_a_journal_is_empty_until_its_first_line_is_complete(path: Path) -> None:
    assert read_started(path) is None
    write(path)
    assert read_started(path) is None
    path.write_bytes(b'{"kind": "header"')
    assert read_started(path) is None
    path.write_bytes(b"{}\n")
    with pytest.raises(JournalError, match="first line is not a header"):
        read_started(path)


@pytest.mark.parametrize(
    ("lines", "died"),
    [
        ([ATTEMPT], False),
        ([ATTEMPT, ATTEMPT], True),
        ([ATTEMPT, ATTEMPT, ATTEMPT], True),
        ([ATTEMPT, round_line(0), ATTEMPT], True),
        ([ATTEMPT, round_line(0), ATTEMPT, ATTEMPT], True),
        ([ATTEMPT, round_line(0), ATTEMPT, round_line(1)], False),
        ([ATTEMPT, ATTEMPT, round_line(0)], False),
        ([ATTEMPT, INTERRUPT, ATTEMPT], False),
        ([ATTEMPT, ATTEMPT, INTERRUPT], False),
        ([ATTEMPT, ATTEMPT, INTERRUPT, ATTEMPT], False),
        ([ATTEMPT, INTERRUPT, ATTEMPT, ATTEMPT], True),
        ([ATTEMPT, ATTEMPT, END], False),
    ],
)
def test_a_trial_died_twice_if_its_last_two_attempts_ended_in_one_round_without_an_interrupt(
    path: Path, lines: list[dict[str, Any]], died: bool
) -> None:
    assert read_of(path, HEADER, *lines).died_twice == died


def test_a_lock_excludes_another_process_from_its_trial_but_not_from_others(path: Path) -> None:
    code = (
        "import sys, pathlib; from softal_bench.journal.file import locked\n"
        "for name in sys.argv[1:]:\n"
        "    with locked(pathlib.Path(name)) as mine: print(mine)\n"
    )
    command = [sys.executable, "-c", code, str(path), str(path.with_name("other.jsonl"))]
    with locked(path) as mine:
        assert mine
        held = subprocess.run(command, capture_output=True, text=True, check=True)
    released = subprocess.run(command, capture_output=True, text=True, check=True)
    assert held.stdout.split() == ["False", "True"]
    assert released.stdout.split() == ["True", "True"]


def test_a_lock_is_released_if_its_holder_fails(path: Path) -> None:
    with pytest.raises(RuntimeError), locked(path):
        raise RuntimeError
    with locked(path) as mine:
        assert mine


def test_a_path_that_cannot_be_written_is_a_storage_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    inside = tmp_path / "file" / "k.jsonl"
    with pytest.raises(StorageError, match=r"cannot be written: .*run the same command again"):
        JournalWriter(inside)
    with pytest.raises(StorageError, match=r"cannot be written: .*--runs"), locked(inside):
        pass


def test_a_full_disk_is_a_storage_error_and_earlier_lines_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter(path)
    writer.write(typed(HEADER))
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    writer.write(typed(ATTEMPT))
    with pytest.raises(StorageError, match="No space left on device; the lines written before are kept"):
        writer.write(typed(round_line(0)))
    writer.close()
    assert path.read_bytes().startswith(before)
    assert read(path).rounds == []


def test_closing_a_journal_reports_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter(path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    writer.write(typed(HEADER))
    with pytest.raises(StorageError, match="No space left on device"):
        writer.close()


def test_a_number_that_is_not_finite_is_never_written(path: Path) -> None:
    writer = JournalWriter(path)
    writer.write(typed(HEADER))
    round_ = typed(round_line(0))
    assert isinstance(round_, Round)
    with pytest.raises(ValueError, match="not JSON compliant"):
        writer.write(replace(round_, nll=float("nan")))
    writer.close()
    assert read(path).rounds == []


RETRY = {"kind": "retry", "time": "2025-01-01T00:00:00+00:00"}
FAILED = {"kind": "end", "status": "failed", "error": "why"}


def test_a_retry_reopens_a_trial_with_its_rounds(path: Path) -> None:
    record = read_of(path, HEADER, ATTEMPT, round_line(0), FAILED, RETRY)
    assert (record.status, record.rounds, record.needs_header) == ("unfinished", [typed(round_line(0))], False)
    record = read_of(path, HEADER, ATTEMPT, round_line(0), FAILED, RETRY, ATTEMPT, round_line(1), END)
    assert (record.status, record.rounds) == ("done", [typed(round_line(0)), typed(round_line(1))])


def test_a_retry_without_rounds_needs_a_new_header(path: Path) -> None:
    undrawn = {**HEADER, "start": []}
    assert read_of(path, undrawn, FAILED, RETRY).needs_header
    record = read_of(path, undrawn, FAILED, RETRY, HEADER, ATTEMPT, round_line(0))
    assert (record.header, record.needs_header, len(record.rounds)) == (typed(HEADER), False, 1)
    with pytest.raises(JournalError, match="the header after a retry has another key"):
        read_of(path, undrawn, FAILED, RETRY, {**HEADER, "key": "other"})


def test_a_header_or_a_retry_in_another_place_is_ignored(path: Path) -> None:
    record = read_of(path, HEADER, RETRY, {**HEADER, "start": [7]}, ATTEMPT, round_line(0))
    assert (record.header, record.status, len(record.rounds)) == (typed(HEADER), "unfinished", 1)


def test_attempts_before_a_retry_do_not_count_as_deaths(path: Path) -> None:
    assert not read_of(path, HEADER, ATTEMPT, ATTEMPT, FAILED, RETRY, HEADER, ATTEMPT).died_twice
    assert read_of(path, HEADER, ATTEMPT, ATTEMPT, FAILED, RETRY, HEADER, ATTEMPT, ATTEMPT).died_twice


def test_checking_for_a_lock_does_not_create_a_file(path: Path) -> None:
    assert not is_locked(path)
    assert not path.parent.exists()
    with locked(path):
        assert is_locked(path)
    assert not is_locked(path)


def test_a_lone_surrogate_is_replaced_on_writing(path: Path) -> None:
    write(path, HEADER)
    append(path, End(status=Status.FAILED, error="no such file: \udcff.npz"))
    end = read(path).end
    assert end is not None
    assert end.error == "no such file: ?.npz"


@pytest.mark.parametrize("text", ['"\\ud800"', "\ud800"], ids=["escaped", "raw"])
def test_a_lone_surrogate_is_rejected_on_reading(path: Path, text: str) -> None:
    write(path, HEADER)
    with path.open("ab") as file:
        file.write(f'{{"kind": "end", "status": "failed", "error": {text}}}\n'.encode("utf-8", "surrogatepass"))
    with pytest.raises(JournalError, match="line 2 is not JSON"):
        read(path)


@pytest.mark.parametrize("status", [None, 5, [], {}, True], ids=str)
def test_a_status_must_be_a_string(path: Path, status: Any) -> None:
    with pytest.raises(JournalError, match=r"line 2 \(end\): unknown status .*; known: done, failed, timeout"):
        read_of(path, HEADER, {"kind": "end", "status": status})


@pytest.mark.parametrize("start", [None, 5, [True], [1.5], "12"], ids=str)
def test_a_start_set_must_be_a_list_of_indices(path: Path, start: Any) -> None:
    with pytest.raises(JournalError, match=r"line 1 \(header\): start"):
        read_of(path, {**HEADER, "start": start})


@pytest.mark.parametrize("seconds", [None, 5, [1.0], {"train": "long"}, {"train": [1.0]}, {"train": True}], ids=str)
def test_invalid_seconds_are_an_error(path: Path, seconds: Any) -> None:
    with pytest.raises(JournalError, match=r"line 2 \(round\): seconds"):
        read_of(path, HEADER, {**round_line(0), "seconds": seconds})
