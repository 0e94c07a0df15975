"""Journals of several machines become one folder, or nothing is written and every conflict is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run.example import settled
from suite.example import write_suite

from softal_bench.journal import file as journal

from .conftest import CommandLine

Lines = list[dict[str, Any]]


@pytest.fixture
def whole(cli: CommandLine) -> Path:
    """Run the tiny suite and return its runs folder with two journals."""
    assert cli("run", write_suite(cli.folder), "--quiet", "--runs", "whole").exit_code == 0
    shutil.rmtree(cli.folder / "leaderboard")
    return cli.folder / "whole"


def journals_of(runs: Path) -> list[Path]:
    return sorted((runs / "tiny").glob("*.jsonl"))


def copied(runs: Path, name: str, *, cut: int | None = None) -> Path:
    """Copy a runs folder; with `cut`, each journal keeps only this many lines and the torn half of one more."""
    folder = runs.with_name(name)
    shutil.copytree(runs, folder, ignore=shutil.ignore_patterns(".locks"))
    for path in journals_of(folder) if cut else []:
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:cut]) + lines[cut or 0][:9])
    return folder


def changed(path: Path, change: Callable[[Lines], object]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in journals_of(folder)}


def test_trials_of_two_machines_are_merged(cli: CommandLine, whole: Path) -> None:
    one, other = copied(whole, "one"), copied(whole, "other")
    journals_of(one)[0].unlink()
    journals_of(other)[1].unlink()
    outcome = cli("merge", "one", "other", "--into", "runs")
    assert outcome.exit_code == 0, outcome.output
    assert "runs: 2 journals, 2 of them written by this merge" in outcome.output
    assert contents(cli.folder / "runs") == contents(whole)
    assert cli("status", "tiny.yaml").lines[-1] == "2 done, of 2"


def test_identical_journals_are_kept_once_and_a_second_merge_writes_nothing(cli: CommandLine, whole: Path) -> None:
    copied(whole, "one")
    cli("merge", "whole", "one", "--into", "runs")
    before = contents(cli.folder / "runs")
    outcome = cli("merge", "whole", "one", "--into", "runs")
    assert "2 journals, 0 of them written" in outcome.output
    assert contents(cli.folder / "runs") == before == contents(whole)


@pytest.mark.parametrize("order", [("part", "whole"), ("whole", "part")])
def test_the_longer_of_two_journals_of_a_trial_is_kept(cli: CommandLine, whole: Path, order: tuple[str, str]) -> None:
    copied(whole, "part", cut=4)
    assert cli("merge", *order, "--into", "runs").exit_code == 0
    assert contents(cli.folder / "runs") == contents(whole)


def test_a_torn_last_line_is_not_merged_and_the_trial_resumes(cli: CommandLine, whole: Path) -> None:
    part = copied(whole, "part", cut=4)
    assert cli("merge", "part", "--into", "runs").exit_code == 0
    for name, data in contents(cli.folder / "runs").items():
        assert data.endswith(b"\n")
        assert (part / "tiny" / name).read_bytes().startswith(data)
    assert cli("run", "tiny.yaml", "--quiet").exit_code == 0
    assert settled(cli.folder / "runs") == settled(whole)


def test_a_longer_journal_extends_the_one_in_the_folder(cli: CommandLine, whole: Path) -> None:
    copied(whole, "runs", cut=4)
    assert cli("merge", "whole", "--into", "runs").exit_code == 0
    assert contents(cli.folder / "runs") == contents(whole)


def test_timings_come_from_one_journal(cli: CommandLine, whole: Path) -> None:
    other = copied(whole, "other")
    for path in journals_of(other):
        changed(path, lambda lines: [line["seconds"].update(train=7.0) for line in lines if line["kind"] == "round"])
    assert cli("merge", "other", "whole", "--into", "runs").exit_code == 0
    assert contents(cli.folder / "runs") == contents(other)


CONFLICTS: dict[str, tuple[Callable[[Lines], object], str]] = {
    "another accuracy": (lambda lines: lines[3].update(accuracy=0.123), "one key, but round 1 differs"),
    "another batch": (lambda lines: lines[2]["acquired"].reverse(), "one key, but round 0 differs"),
    "another start set": (lambda lines: lines[0]["start"].reverse(), "one key, but start differs"),
    "other data": (lambda lines: lines[0]["provenance"].update(size=9), "one key, but provenance differs"),
    "another condition": (lambda lines: lines[0]["condition"].update(seed=9), "one key, but condition differs"),
    "a suite's name with a path": (lambda lines: lines[0].update(suite="../../x"), "is not a valid name"),
    "a key with a path": (lambda lines: lines[0].update(key="../x"), "is not valid; need 16"),
    "another key": (lambda lines: lines[0].update(key="0" * 16), "its name differs from its key"),
    "a newer schema": (lambda lines: lines[0].update(schema=2), "schema 2"),
    "no header": (lambda lines: lines.pop(0), "the first line is not a header"),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_a_conflict_is_named_and_nothing_is_written(cli: CommandLine, whole: Path, case: str) -> None:
    change, what = CONFLICTS[case]
    other = copied(whole, "other")
    bad, _ = journals_of(other)
    changed(bad, change)
    before = cli.files()
    outcome = cli("merge", "whole", "other", "--into", "runs")
    assert outcome.exit_code == 1
    assert cli.files() == before
    assert what in outcome.output
    assert str(bad.relative_to(cli.folder)) in outcome.output
    assert "nothing was written" in outcome.output


def test_every_conflict_is_named(cli: CommandLine, whole: Path) -> None:
    other = copied(whole, "other")
    for path in journals_of(other):
        changed(path, lambda lines: lines[2].update(accuracy=0.0))
    outcome = cli("merge", "whole", "other", "--into", "runs")
    assert all(path.name in outcome.output for path in journals_of(whole))


def test_a_locked_journal_is_not_replaced(cli: CommandLine, whole: Path) -> None:
    runs = copied(whole, "runs", cut=4)
    before = contents(runs)
    with journal.locked(journals_of(runs)[0]):
        outcome = cli("merge", "whole", "--into", "runs")
    assert outcome.exit_code == 1
    assert "a runner has" in outcome.output
    assert contents(runs) == before


def test_a_folder_without_journals_is_bad_usage(cli: CommandLine, whole: Path) -> None:
    (cli.folder / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        outcome = cli("merge", "whole", folder, "--into", "runs")
        assert outcome.exit_code == 2
        assert f"Error: {folder}: " in outcome.output
    assert "runs" not in cli.files()
