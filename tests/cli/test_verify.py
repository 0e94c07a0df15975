"""Verify accepts what a run wrote, and names what was changed afterwards."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from suite.example import acquiring, write_suite

from softal_bench.records.verify import _paths_of
from softal_bench.registry import Plugin
from softal_bench.suite import condition_of

from .conftest import CommandLine

Lines = list[dict[str, Any]]


@pytest.fixture
def run(cli: CommandLine) -> CommandLine:
    """Run the tiny suite and delete its file."""
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


def test_journals_of_a_run_are_valid_and_reproducible(run: CommandLine) -> None:
    before = run.files()
    outcome = run("verify", "runs/tiny", "--sample", 8)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.lines[0] == "2 of 2 journals are valid"
    assert sum("exactly the same" in line for line in outcome.lines) == 8
    assert outcome.lines[-1] == "8 of 8 rounds have the same results"
    assert run.files() == before


def test_verify_accepts_nested_folders_and_always_draws_the_same_sample(run: CommandLine) -> None:
    drawn = [line.partition(":")[0] for line in run("verify", "runs").lines]
    assert len(drawn) == 1 + 3 + 1
    shutil.copytree(run.folder / "runs", run.folder / "elsewhere")
    again = [line.partition(":")[0].replace("elsewhere", "runs") for line in run("verify", "elsewhere").lines]
    assert again == drawn


def test_an_unfinished_journal_is_valid(run: CommandLine) -> None:
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
    "a path for a suite": (lambda lines: lines[0].update(suite="../x"), "is not a valid name"),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_an_invalid_journal_is_named_with_its_error(run: CommandLine, case: str) -> None:
    how, what = UNSOUND[case]
    change(first(run), how)
    outcome = run("verify", "runs", "--sample", 0)
    assert outcome.exit_code == 1
    (told,) = [line for line in outcome.lines if line.startswith("not valid: ")]
    assert first(run).name in told
    assert what in told
    assert "1 of 2 journals are valid" in outcome.output


def of_a_stranger(cli: CommandLine, *keys: str, value: Any) -> Path:
    """Change a value in the condition of the first journal, and set the key to that of the changed condition."""
    path = first(cli)

    def condition_and_key(lines: Lines) -> None:
        *above, last = keys
        inner = lines[0]["condition"]
        for key in above:
            inner = inner[key]
        inner[last] = value
        lines[0]["key"] = condition_of(lines[0]["condition"]).key(0)

    change(path, condition_and_key)
    key = json.loads(path.read_text().splitlines()[0])["key"]
    return path.rename(path.with_name(f"{key}.jsonl"))


def arrays(path: str) -> dict[str, Any]:
    return {"name": "arrays", "parameters": {"path": path}, "label": "arrays"}


def nested(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "parameters": {"of": {"arrays": {"path": path}}}, "label": name}


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Record all paths that are opened while the test runs."""
    paths: list[str] = []
    listening = True

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and event == "open":
            paths.append(os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes) else "")

    sys.addaudithook(listen)  # hooks cannot be removed
    yield paths
    listening = False


STRANGE_PATHS: dict[str, Callable[[str], dict[str, Any]]] = {
    "a data set": arrays,
    "a nested data set": lambda path: nested("repeated", path),
    "a data set nested twice": lambda path: {
        "name": "label_noise",
        "parameters": {"of": {"repeated": {"of": {"arrays": {"path": path}}}}},
        "label": "no path",
    },
}


@pytest.mark.parametrize("dataset", STRANGE_PATHS)
@pytest.mark.parametrize(
    ("path", "data_dir"),
    [
        *[(path, None) for path in ("SECRET", "../secret.npz", "link/secret.npz", "arrays.npz")],
        *[(path, "other") for path in ("SECRET", "../secret.npz", "link/secret.npz")],
    ],
)
def test_a_path_in_a_journal_is_not_opened(
    run: CommandLine,
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    path: str,
    data_dir: str | None,
) -> None:
    """The user has named no folder: neither `$SOFTAL_DATA` nor a link counts as one."""
    secret = run.folder / "secret.npz"
    secret.write_bytes(b"")
    (run.folder / "other").mkdir()
    (run.folder / "other" / "link").symlink_to(run.folder)
    (run.folder / "arrays.npz").write_bytes(b"")
    monkeypatch.setenv("SOFTAL_DATA", str(run.folder))
    named = str(secret) if path == "SECRET" else path
    journal = of_a_stranger(run, "dataset", value=STRANGE_PATHS[dataset](named))
    opened.clear()
    outcome = run("verify", "runs", "--sample", 8, *(["--data-dir", data_dir] if data_dir else []))
    assert outcome.exit_code == 1
    assert not [path for path in opened if path.endswith(".npz")]
    lines = [line for line in outcome.lines if line.startswith("not rerun: ")]
    assert len(lines) == 4
    assert all(journal.name in line for line in lines)
    assert "it names the path" in lines[0]
    assert lines[0].endswith("which is not opened; if you trust it, pass --data-dir with a folder that contains it")


def test_a_path_in_the_given_data_folder_is_opened(run: CommandLine) -> None:
    (run.folder / "mine").mkdir()
    of_a_stranger(run, "dataset", value=arrays("missing.npz"))
    outcome = run("verify", "runs", "--sample", 8, "--data-dir", "mine")
    assert "not rerun" not in outcome.output
    assert "missing.npz is not there" in outcome.output


@dataclass(frozen=True)
class NamesFiles:
    """Parameters of a plugin, some of which are paths."""

    declared: str = field(default="weights.pt", metadata={"is_path": True})
    typed: Path = Path("folder")
    path: str = "file"
    label: str = "a/b"
    above: str = ".."
    several: tuple[str, ...] = ("plain", "/etc/passwd")
    by_name: dict[str, str] = field(default_factory=lambda: {"x/y": "plain"})
    plain: str = "relu"
    number: int = 3


def test_parameters_that_are_declared_as_paths_or_look_like_paths_are_found() -> None:
    parameters: dict[str, Any] = json.loads(json.dumps(asdict(NamesFiles()), default=str))
    plugin = Plugin("models", "names_files", parameters, "names_files", NamesFiles(), "1", ())
    assert set(_paths_of(plugin)) == {"weights.pt", "folder", "file", "a/b", "..", "/etc/passwd", "x/y"}


def unused(lines: Lines) -> int:
    """Return an index that the trial never acquired; whether it is in the validation set makes no difference here."""
    used = {index for line in lines for name in ("start", "acquired") for index in line.get(name, [])}
    return min(set(range(1297)) - used)


DIFFERENT: dict[str, tuple[Callable[[Lines], object], str]] = {
    "an accuracy": (lambda lines: lines[2].update(accuracy=lines[2]["accuracy"] + 0.002), "differs on the same kind"),
    "an acquired index": (lambda lines: lines[2]["acquired"].__setitem__(0, unused(lines)), "4 of 5 indices the same"),
    "the start set": (lambda lines: lines[0]["start"].reverse(), "its start is"),
    "the data's hash": (lambda lines: lines[0]["provenance"].update(sha256="0" * 64), "its provenance is"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_a_round_that_is_not_reproduced_is_named(run: CommandLine, case: str) -> None:
    how, what = DIFFERENT[case]
    change(first(run), how)
    outcome = run("verify", "runs", "--sample", 8)
    assert outcome.exit_code == 1
    assert any(first(run).name in line and what in line for line in outcome.lines), outcome.output


@pytest.mark.parametrize(("shift", "code", "told"), [(0.01, 0, "within 0.02"), (0.05, 1, "by more than 0.02")])
def test_accuracy_on_another_machine_must_agree_to_a_tolerance(
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
    assert "nowhere: is not a folder" in outcome.output
