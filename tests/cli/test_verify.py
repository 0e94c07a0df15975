"""Verify passes what a run wrote, and names what was changed in it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from softal_plugins.datasets.arrays import Arrays
from suite.example import acquiring, write_suite

from softal_bench.suite import condition_of

from .conftest import CommandLine

Lines = list[dict[str, Any]]


@pytest.fixture
def run(cli: CommandLine) -> CommandLine:
    """The tiny suite, done; the suite's file is gone."""
    suite = write_suite(cli.folder, matrix=acquiring("uniform", "power"))
    assert cli("run", suite, "--quiet").exit_code == 0
    suite.unlink()
    return cli


def first(cli: CommandLine) -> Path:
    return min((cli.folder / "runs" / "tiny").glob("*.jsonl"))


def change(path: Path, how: Callable[[Lines], object]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    how(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_what_a_run_wrote_is_sound_and_comes_out_the_same(run: CommandLine) -> None:
    before = run.files()
    outcome = run("verify", "runs/tiny", "--sample", 8)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.lines[0] == "2 of 2 journals are valid"
    assert sum("exactly the same" in line for line in outcome.lines) == 8
    assert outcome.lines[-1] == "8 of 8 rounds have the same results"
    assert run.files() == before


def test_a_folder_of_folders_can_be_given_and_the_sample_is_the_same_each_time(run: CommandLine) -> None:
    drawn = [line.partition(":")[0] for line in run("verify", "runs").lines]
    assert len(drawn) == 1 + 3 + 1
    shutil.copytree(run.folder / "runs", run.folder / "elsewhere")
    again = [line.partition(":")[0].replace("elsewhere", "runs") for line in run("verify", "elsewhere").lines]
    assert again == drawn


def test_an_unfinished_journal_is_sound(run: CommandLine) -> None:
    path = first(run)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    assert run("verify", "runs").exit_code == 0


UNSOUND: dict[str, tuple[Callable[[Lines], object], str]] = {
    "a changed condition": (
        lambda lines: lines[0]["condition"].update(posterior_samples=99),
        "the key of its condition",
    ),
    "a changed trial": (lambda lines: lines[0].update(trial=1), "the key of its condition"),
    "an unknown plugin": (
        lambda lines: lines[0]["condition"]["model"].update(name="secret"),
        "its condition cannot be built here: model: unknown model 'secret'",
    ),
    "a newer schema": (lambda lines: lines[0].update(schema=2), "schema 2"),
    "labels that do not grow": (lambda lines: lines[3].update(labels=10), "has 10 labels, expected 15"),
    "labels that were not acquired": (lambda lines: lines[3].update(labels=16), "16"),
    "an index twice": (lambda lines: lines[2]["acquired"].__setitem__(0, lines[3]["acquired"][0]), "acquired twice"),
    "an index of the start set": (lambda lines: lines[2]["acquired"].__setitem__(0, lines[0]["start"][0]), "twice"),
    "an index beyond the data": (lambda lines: lines[2]["acquired"].__setitem__(0, 1297), "the data set has 0 to 1296"),
    "a negative index": (
        lambda lines: lines[2]["acquired"].__setitem__(0, -1),
        "acquired.0: Input should be",
    ),
    "a batch too small": (lambda lines: lines[2]["acquired"].pop(), "has 15 labels, expected 14"),
    "a start set too small": (lambda lines: lines[0]["start"].pop(), "its start set has 9"),
    "a round left out": (lambda lines: lines.pop(3), "is round 2, expected round 1"),
    "an accuracy above 1": (lambda lines: lines[2].update(accuracy=1.5), "accuracy"),
    "no provenance": (lambda lines: lines[0].update(provenance=None), "provenance"),
    "a path for a suite": (lambda lines: lines[0].update(suite="../x"), "no suite's name"),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_a_journal_that_is_not_sound_by_itself_is_named_with_what_is_wrong(run: CommandLine, case: str) -> None:
    how, what = UNSOUND[case]
    change(first(run), how)
    outcome = run("verify", "runs", "--sample", 0)
    assert outcome.exit_code == 1
    (told,) = [line for line in outcome.lines if line.startswith("not valid: ")]
    assert first(run).name in told
    assert what in told
    assert "1 of 2 journals are valid" in outcome.output


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.npz", "arrays.npz"])
def test_a_path_in_a_journal_is_not_opened(run: CommandLine, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def change_key(lines: Lines) -> None:
        lines[0]["condition"]["dataset"] = {"name": "arrays", "parameters": {"path": path}, "label": "arrays"}
        lines[0]["key"] = condition_of(lines[0]["condition"]).key(0)

    change(first(run), change_key)
    key = json.loads(first(run).read_text().splitlines()[0])["key"]
    first(run).rename(first(run).with_name(f"{key}.jsonl"))
    monkeypatch.setattr(Arrays, "load", lambda *_: pytest.fail("a file that a journal names was opened"))
    outcome = run("verify", "runs", "--sample", 8)
    assert outcome.exit_code == 1
    assert f"it names the path {path!r}, which is not opened; if you trust it, pass --data-dir" in outcome.output


def unused(lines: Lines) -> int:
    """An index that the trial never acquired; whether it is in the validation set makes no difference here."""
    used = {index for line in lines for name in ("start", "acquired") for index in line.get(name, [])}
    return min(set(range(1297)) - used)


DIFFERENT: dict[str, tuple[Callable[[Lines], object], str]] = {
    "an accuracy": (lambda lines: lines[2].update(accuracy=lines[2]["accuracy"] + 0.002), "differs on the same kind"),
    "an acquired index": (lambda lines: lines[2]["acquired"].__setitem__(0, unused(lines)), "4 of 5 indices the same"),
    "the start set": (lambda lines: lines[0]["start"].reverse(), "its start is"),
    "the data's hash": (lambda lines: lines[0]["provenance"].update(sha256="0" * 64), "its provenance is"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_a_round_that_does_not_come_out_the_same_is_named(run: CommandLine, case: str) -> None:
    how, what = DIFFERENT[case]
    change(first(run), how)
    outcome = run("verify", "runs", "--sample", 8)
    assert outcome.exit_code == 1
    assert any(first(run).name in line and what in line for line in outcome.lines), outcome.output


@pytest.mark.parametrize(("shift", "code", "told"), [(0.01, 0, "within 0.02"), (0.05, 1, "by more than 0.02")])
def test_on_another_machine_the_accuracy_has_to_agree_to_a_tolerance(
    run: CommandLine, shift: float, code: int, told: str
) -> None:
    def elsewhere(lines: Lines) -> None:
        for line in (lines[0]["environment"], lines[1]):
            line["device_name"] = "Another CPU, 64 cores"
        lines[2]["accuracy"] = abs(lines[2]["accuracy"] - shift)

    change(first(run), elsewhere)
    outcome = run("verify", "runs", "--sample", 8)
    assert outcome.exit_code == code, outcome.output
    assert f"{told}: accuracy" in outcome.output
    assert "not the same device_name, which change rounding" in outcome.output


def test_a_folder_without_journals_is_bad_usage(cli: CommandLine) -> None:
    outcome = cli("verify", "nowhere")
    assert outcome.exit_code == 2
    assert "nowhere: is no folder" in outcome.output
