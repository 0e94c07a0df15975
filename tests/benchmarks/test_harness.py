"""The gate for the costs of a run other than learning: writing its journal and starting up."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.controls import python, written_lines
from softal_bench.conformance.timing import AgainstControl
from softal_bench.journal.file import JournalWriter
from softal_bench.journal.lines import Round, parse_json

LINES = 200
ROUND = {
    "kind": "round",
    "round": 3,
    "labels": 70,
    "accuracy": 0.75,
    "nll": 0.9,
    "acquired": list(range(1000, 1050)),
    "seconds": {"train": 1.5, "predict": 0.5, "select": 0.1, "evaluate": 0.2},
    "peak_bytes": 1_000_000_000,
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory if the system has one, so that no disk is timed."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


def test_journal(against_control: AgainstControl, folder: Path) -> None:
    path = folder / "journal.jsonl"
    line = parse_json(ROUND)
    assert isinstance(line, Round)

    def journal() -> None:
        path.unlink(missing_ok=True)
        writer = JournalWriter(path)
        for _ in range(LINES):
            writer.write(line)
        writer.close()

    control = folder / "control.jsonl"
    against_control(journal, written_lines(control, ROUND, LINES))
    assert path.read_bytes() == control.read_bytes()


def test_start_up(against_control: AgainstControl) -> None:
    against_control(python("-m", "softal_bench", "--help"), python("-c", "import click, json, logging"))
