"""An edited plugin makes its finished trials stale, and `run --fresh` computes them again without losing anything."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from run.edited import SOURCE, EditedPlugin, edited_in
from run.example import journals, of_kind
from suite.example import acquiring, write_suite

from softal_bench.journal import file as journal
from softal_bench.journal.lines import Line
from softal_bench.registry import acquisitions
from softal_bench.run import recompute

from .conftest import CommandLine

COST = "{kind: cost, name: tiny, pool_size: 20, posterior_samples: 2, matrix: {acquisition: [edited], batch_size: [2]}}"


@pytest.fixture
def edited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditedPlugin]:
    with edited_in(tmp_path_factory.mktemp("site")) as plugin:
        yield plugin


@pytest.fixture
def suite(cli: CommandLine, edited: EditedPlugin) -> Path:
    """Write a suite with two trials each of `uniform` and `edited`."""
    return write_suite(cli.folder, trials=2, matrix=acquiring("uniform", "edited"))


def of_method(runs: Path, name: str) -> list[list[dict[str, Any]]]:
    """Return the journals of a method."""
    return [lines for lines in journals(runs).values() if lines[0]["condition"]["acquisition"]["name"] == name]


def first_batches(runs: Path) -> list[list[int]]:
    """Return the choices of `edited` in the first round of each trial."""
    return sorted(of_kind(lines, "round")[0]["acquired"] for lines in of_method(runs, "edited"))


def publish(cli: CommandLine) -> Path:
    """Move the results to the leaderboard's records and return their folder."""
    records = cli.folder / "leaderboard" / "records" / "tiny"
    records.parent.mkdir(parents=True)
    (cli.folder / "runs" / "tiny").rename(records)
    return records


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


def test_the_header_records_each_plugin_with_its_origin_and_the_digest_of_its_source(
    cli: CommandLine, edited: EditedPlugin
) -> None:
    cli("run", write_suite(cli.folder, matrix=acquiring("edited", "softmax")), "--quiet")
    recorded = {
        (one["kind"], one["name"]): one
        for lines in journals(cli.folder / "runs").values()
        for one in lines[0]["plugins"]
    }
    assert recorded["acquisitions", "edited"] == {
        "kind": "acquisitions",
        "name": "edited",
        "label": "edited",
        "distribution": "softal-edited",
        "version": "0.1.0",
        "revision": 1,
        "source": edited.digest,
    }
    assert {name for _, name in recorded} == {"edited", "softmax", "bald", "digits", "digits_cnn"}
    assert recorded["acquisitions", "softmax"]["label"] == "softmax(bald, T=0.125)"
    assert {one["distribution"] for one in recorded.values()} == {"softal-edited", "softal-bench"}


def test_the_header_records_the_code_that_ran_even_if_the_file_was_edited_afterwards(
    cli: CommandLine, edited: EditedPlugin
) -> None:
    before = edited.digest
    edited.forget()  # nothing is imported or read yet
    acquisitions.load("edited")
    edited.save_unseen("score", SOURCE.replace("FIRST = 0", "FIRST = 3"))
    cli("run", write_suite(cli.folder, matrix=acquiring("edited")), "--quiet")
    (lines,) = of_method(cli.folder / "runs", "edited")
    assert [one["source"] for one in lines[0]["plugins"] if one["name"] == "edited"] == [before]
    edited.forget()
    assert edited.digest != before


@pytest.mark.parametrize("command", ["run", "status"])
def test_after_an_edit_the_stale_trials_and_the_remedy_are_reported(
    cli: CommandLine, edited: EditedPlugin, suite: Path, command: str
) -> None:
    assert cli("run", suite, "--quiet").exit_code == 0
    before = edited.digest
    edited.take_from(3)
    outcome = cli(command, suite)
    assert outcome.exit_code == (1 if command == "run" else 0)
    assert "Warning: 2 trials are stale" in outcome.output
    assert f"edited: computed with source {before}, but source {edited.digest} is installed" in outcome.output
    assert "trials of edited (2)" in outcome.output
    assert "--fresh --only 'acquisition=[\"edited\"]'" in outcome.output
    assert "revision" in outcome.output
    for lines in of_method(cli.folder / "runs", "edited"):
        (stale,) = of_kind(lines, "stale")
        (plugin,) = stale["plugins"]
        assert plugin == {"kind": "acquisitions", "name": "edited", "recorded": before, "installed": edited.digest}
    assert not any(of_kind(lines, "stale") for lines in of_method(cli.folder / "runs", "uniform"))
    status = json.loads(cli("status", suite, "--json").output.partition("\n")[0])
    assert status["counts"] == {"done": 2, "stale": 2}
    assert [one["acquisition"] for one in status["stale"]] == ["edited", "edited"]


def test_a_stale_trial_is_marked_once_and_pages_read_only_the_mark(
    cli: CommandLine, edited: EditedPlugin, suite: Path
) -> None:
    cli("run", suite, "--quiet")
    edited.take_from(3)
    cli("run", suite, "--quiet")
    page = (cli.folder / "leaderboard" / "tiny.md").read_text()
    assert "**2 of 4 trials done**; 2 stale" in page
    assert "Stale: 2 trials (edited: 2)." in page
    before = contents(cli.folder / "runs" / "tiny")
    edited.take_from(4)
    cli("run", suite, "--quiet")
    cli("status", suite)
    assert contents(cli.folder / "runs" / "tiny") == before
    edited.take_from(0)  # a page follows from journals alone, so the source is not read
    cli("leaderboard", suite, "--quiet")
    assert (cli.folder / "leaderboard" / "tiny.md").read_text() == page
    rows = cli("export", suite, "--format", "csv").lines
    assert sum(",stale," in row for row in rows) == 8


def test_undoing_an_edit_withdraws_the_mark(cli: CommandLine, edited: EditedPlugin, suite: Path) -> None:
    cli("run", suite, "--quiet")
    edited.take_from(3)
    cli("status", suite)
    edited.take_from(0)
    outcome = cli("run", suite)
    assert outcome.exit_code == 0
    assert "stale" not in outcome.output
    assert "4 of 4 trials done" in (cli.folder / "leaderboard" / "tiny.md").read_text()
    for lines in of_method(cli.folder / "runs", "edited"):
        assert [bool(line["plugins"]) for line in of_kind(lines, "stale")] == [True, False]


def test_rewording_and_listed_edits_make_nothing_stale(cli: CommandLine, edited: EditedPlugin, suite: Path) -> None:
    cli("run", suite, "--quiet")
    before = cli.files()
    first = edited.digest
    edited.reword()
    assert cli("run", suite, "--quiet").exit_code == 0
    assert cli.files() == before
    edited.write("score", SOURCE.replace("+ FIRST", "+ FIRST + 0"))
    edited.write("equivalent_sources", f"EQUIVALENT_SOURCES = {{'edited': [{(first, edited.digest)!r}]}}\n")
    assert cli("run", suite, "--quiet").exit_code == 0
    assert cli.files() == before
    edited.write("equivalent_sources", "EQUIVALENT_SOURCES = 'none'\n")
    outcome = cli("run", suite, "--quiet")
    assert outcome.exit_code == 2
    assert "softal_edited.equivalent_sources: EQUIVALENT_SOURCES is 'none'" in outcome.output


def test_journals_without_digests_are_never_stale(cli: CommandLine, edited: EditedPlugin, suite: Path) -> None:
    cli("run", suite, "--quiet")
    for path in (cli.folder / "runs" / "tiny").glob("*.jsonl"):
        header, *others = path.read_text().splitlines()
        old = {name: value for name, value in json.loads(header).items() if name != "plugins"}
        path.write_text("\n".join([json.dumps(old), *others]) + "\n")
    before = contents(cli.folder / "runs" / "tiny")
    edited.take_from(3)
    assert cli("run", suite, "--quiet").exit_code == 0
    assert contents(cli.folder / "runs" / "tiny") == before


def test_a_dry_run_warns_and_writes_nothing(cli: CommandLine, edited: EditedPlugin, suite: Path) -> None:
    cli("run", suite, "--quiet")
    edited.take_from(3)
    before = cli.files()
    assert "Warning: 2 trials are stale" in cli("run", suite, "--dry-run").output
    cli("run", suite, "--fresh", "--dry-run")
    assert cli.files() == before


@pytest.mark.slow
def test_fresh_recomputes_the_selected_trials_and_keeps_the_old_journals(
    cli: CommandLine, edited: EditedPlugin, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(edited.folder))
    cli("run", suite, "--quiet")
    runs = cli.folder / "runs"
    uniform, old = of_method(runs, "uniform"), first_batches(runs)
    for first in (3, 6):
        edited.take_from(first)
        cli("status", suite)
        kept = contents(runs / "tiny")
        outcome = cli.alone("run", suite, "--fresh", "--only", "acquisition=edited", "--quiet")
        assert outcome.exit_code == 0, outcome.output
        aside = {path.name: path.read_bytes() for path in (runs / "tiny" / "aside").iterdir()}
        assert all(kept[name] in aside.values() for name in contents(runs / "tiny") if "stale" in kept[name].decode())
        assert of_method(runs, "uniform") == uniform
    assert sorted(name.rpartition(".")[2] for name in aside) == ["1", "1", "2", "2"]
    assert first_batches(runs) != old
    assert all(lines[0]["fresh"] for lines in of_method(runs, "edited"))
    assert cli("run", suite).lines[-2:] == ["trials: 4 done", "page: leaderboard/tiny.md"]
    assert cli("verify", runs, "--sample", 1).exit_code == 0


def test_an_unfinished_trial_of_an_edited_plugin_restarts(cli: CommandLine, edited: EditedPlugin, suite: Path) -> None:
    cli("run", suite, "--quiet")
    runs = cli.folder / "runs" / "tiny"
    (path, *_) = [runs / f"{lines[0]['key']}.jsonl" for lines in of_method(cli.folder / "runs", "edited")]
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    before = path.read_bytes()
    edited.take_from(3)
    outcome = cli("run", suite)
    assert "the source of edited has changed since it started, so it restarts" in outcome.output
    assert (runs / "aside" / f"{path.name}.1").read_bytes() == before
    record = journal.read(path)
    assert (record.status, (record.header.plugins or [])[0].source, len(record.attempts)) == ("done", edited.digest, 1)


@pytest.mark.slow
def test_a_retry_after_an_edit_does_not_reuse_rounds_of_the_old_code(
    cli: CommandLine, edited: EditedPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(edited.folder))
    suite = write_suite(cli.folder, matrix=acquiring("edited"))
    fails = "        if pool.progress.num_labelled > 10:\n            raise RuntimeError\n        positions ="
    edited.write("score", SOURCE.replace("        positions =", fails))
    assert cli.alone("run", suite, "--quiet").exit_code == 1
    edited.take_from(0)
    assert cli.alone("run", suite, "--retry", "failed", "--quiet").exit_code == 0
    (lines,) = of_method(cli.folder / "runs", "edited")
    assert [line["kind"] for line in lines] == ["header", "attempt", *["round"] * 4, "end"]


def test_a_published_trial_is_not_run_again_and_a_method_can_be_added_to_its_suite(
    cli: CommandLine, suite: Path
) -> None:
    cli("run", suite, "--quiet")
    records = publish(cli)
    before = contents(records)
    outcome = cli("run", suite)
    assert outcome.exit_code == 0
    assert "all 4 trials are published under leaderboard/records; use --fresh to recompute" in outcome.output
    assert "trials: 4 done" in outcome.output
    assert not (cli.folder / "runs").exists() or not contents(cli.folder / "runs" / "tiny")
    more = write_suite(cli.folder, trials=2, matrix=acquiring("uniform", "edited", "entropy"))
    outcome = cli("run", more)
    assert "4 of 6 trials are published under leaderboard/records and will not be run again" in outcome.output
    assert {lines[0]["condition"]["acquisition"]["name"] for lines in journals(cli.folder / "runs").values()} == {
        "entropy"
    }
    assert "6 of 6 trials done" in (cli.folder / "leaderboard" / "tiny.md").read_text()
    assert contents(records) == before


def test_a_fresh_run_keeps_published_records_and_counts_instead_of_them(
    cli: CommandLine, edited: EditedPlugin, suite: Path
) -> None:
    cli("run", suite, "--quiet")
    records = publish(cli)
    edited.take_from(3)
    cli("status", suite)
    before = contents(records)
    assert sum(b'"stale"' in data for data in before.values()) == 2
    assert cli("run", suite, "--quiet").exit_code == 1  # stale published trials are not computed again unless asked for
    assert cli("run", suite, "--fresh", "--quiet").exit_code == 0
    assert contents(records) == before
    assert len(contents(cli.folder / "runs" / "tiny")) == 4
    assert "4 of 4 trials done" in (cli.folder / "leaderboard" / "tiny.md").read_text()
    shown = cli("export", suite, "--format", "csv").output
    assert "stale" not in shown


def test_fresh_as_the_first_command_after_an_edit_keeps_published_records(
    cli: CommandLine, edited: EditedPlugin, suite: Path
) -> None:
    cli("run", suite, "--quiet")
    records = publish(cli)
    before = contents(records)
    edited.take_from(3)
    assert cli("run", suite, "--fresh", "--quiet").exit_code == 0
    assert contents(records) == before
    assert "4 of 4 trials done" in (cli.folder / "leaderboard" / "tiny.md").read_text()


def test_a_fresh_run_killed_while_it_moves_a_journal_does_not_count_the_old_journal(
    cli: CommandLine, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("run", suite, "--quiet")
    runs = cli.folder / "runs" / "tiny"
    old = contents(runs)
    with monkeypatch.context() as patch:
        steps: list[str] = []
        for name in ("mark", "set_aside"):
            patch.setattr(recompute, name, killed_at_the_second(steps, name, getattr(recompute, name)))
        assert cli("run", suite, "--fresh", "--quiet").exit_code == 130
    assert len(steps) == 2
    assert not [name for name in contents(runs) if recompute.is_marked(runs / name)]
    assert cli("run", suite, "--quiet").exit_code == 0
    (again,) = [name for name, data in contents(runs).items() if data != old[name]]
    assert (runs / "aside" / f"{again}.1").read_bytes() == old[again]


def killed_at_the_second(steps: list[str], name: str, does: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Return a step that ends the process if another step was made before it."""

    def step(path: Path) -> Any:
        steps.append(name)
        if len(steps) > 1:
            raise KeyboardInterrupt
        return does(path)

    return step


@pytest.mark.parametrize("executor", [[], ["--executor", "processes", "--jobs", 2]], ids=["inline", "processes"])
def test_an_interrupted_fresh_run_resumes_and_does_not_use_published_records(
    cli: CommandLine, suite: Path, monkeypatch: pytest.MonkeyPatch, edited: EditedPlugin, executor: list[Any]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(edited.folder))
    cli("run", suite, "--quiet")
    publish(cli)
    runs = cli.folder / "runs" / "tiny"
    with monkeypatch.context() as patch:
        rounds = iter(range(100))

        def stop_after_six(self: journal.JournalWriter, line: Line) -> None:
            if line.kind == "round" and next(rounds) == 6:
                raise KeyboardInterrupt
            written(self, line)

        written = journal.JournalWriter.write
        patch.setattr(journal.JournalWriter, "write", stop_after_six)
        outcome = cli("run", suite, "--fresh", *executor)
    assert outcome.exit_code == 130
    assert "without --fresh" in outcome.output
    status = cli("status", suite).lines[-1]
    assert re.fullmatch(r"1 done, [12] unfinished, [12] not run, of 4|[12] unfinished, [23] not run, of 4", status), (
        status
    )
    begun = {path.name: path.read_bytes() for path in runs.glob("*.jsonl")}
    outcome = cli("run", suite, *executor)
    assert outcome.exit_code == 0, outcome.output
    assert "published" not in outcome.output
    assert len(contents(runs)) == 4
    assert all(contents(runs)[name].startswith(data) for name, data in begun.items())
    assert all(lines[0]["fresh"] for lines in journals(cli.folder / "runs").values())
    assert not list((runs / ".fresh").iterdir())
    assert cli("status", suite).lines[-1] == "4 done, of 4"


def test_a_retry_of_a_published_failure_resumes_in_a_copy(cli: CommandLine, edited: EditedPlugin) -> None:
    suite = write_suite(cli.folder, matrix=acquiring("edited"))
    cli("run", suite, "--quiet")
    (path,) = (cli.folder / "runs" / "tiny").glob("*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    failed = json.dumps({"kind": "end", "status": "failed", "error": "the machine"}) + "\n"
    path.write_text("".join([*lines[:4], failed]))
    records = publish(cli)
    before = contents(records)
    assert cli("run", suite, "--quiet").exit_code == 1
    assert cli("run", suite, "--retry", "failed", "--quiet").exit_code == 0
    assert contents(records) == before
    (again,) = journals(cli.folder / "runs").values()
    assert [line["kind"] for line in again[4:7]] == ["end", "retry", "attempt"]
    assert again[-1]["status"] == "done"
    assert "1 of 1 trials done" in (cli.folder / "leaderboard" / "tiny.md").read_text()


def test_cells_become_stale_and_are_measured_again(cli: CommandLine, edited: EditedPlugin) -> None:
    suite = write_suite(cli.folder, COST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(edited.folder))
        assert cli("run", suite, "--quiet").exit_code == 0
        records = publish(cli)
        assert "the cell is published" in cli("run", suite).output
        edited.take_from(3)
        outcome = cli("run", suite, "--quiet")
        assert (outcome.exit_code, "Warning: 1 cell is stale" in outcome.output) == (1, True)
        assert "Stale: 1 cell (edited: 1)." in (cli.folder / "leaderboard" / "tiny.md").read_text()
        assert cli("run", suite, "--fresh", "--quiet").exit_code == 0
    assert "1 of 1 cells done" in (cli.folder / "leaderboard" / "tiny.md").read_text()
    assert len(contents(records)) == len(contents(cli.folder / "runs" / "tiny")) == 1


@pytest.mark.parametrize(
    ("old", "new"), [('"device_name": "', '"device_name": "Another '), ('"torch": "', '"torch": "1.')]
)
def test_a_published_cell_counts_only_on_the_same_kind_of_machine(
    cli: CommandLine, edited: EditedPlugin, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(edited.folder))
    suite = write_suite(cli.folder, COST)
    cli("run", suite, "--quiet")
    (path,) = publish(cli).glob("*.jsonl")
    assert cli("status", suite).lines[-1] == "1 done, of 1"
    path.write_text(path.read_text().replace(old, new))
    assert cli("status", suite).lines[-1] == "1 on another device, of 1"
    assert json.loads(cli("status", suite, "--json").output)["counts"] == {"elsewhere": 1}
    assert cli("run", suite, "--quiet").exit_code == 0
    assert len(contents(cli.folder / "runs" / "tiny")) == 1
    assert cli("status", suite).lines[-1] == "1 done, of 1"


def test_failing_to_mark_a_published_record_causes_a_warning(
    cli: CommandLine, edited: EditedPlugin, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("run", suite, "--quiet")
    records = publish(cli)
    before = contents(records)
    edited.take_from(3)
    (records / ".locks").mkdir(exist_ok=True)
    for path in (records / ".locks").iterdir():
        path.unlink()
    (records / ".locks").rmdir()
    (records / ".locks").touch()  # a file in the place of the folder of locks
    outcome = cli("run", suite, "--quiet")
    assert outcome.exit_code == 1
    assert "Warning: 2 trials are stale" in outcome.output
    assert outcome.output.count("not marked as stale") == 2
    assert contents(records) == before


def test_fresh_with_retry_is_refused(cli: CommandLine, suite: Path) -> None:
    outcome = cli("run", suite, "--fresh", "--retry", "failed")
    assert outcome.exit_code == 2
    assert "--fresh and --retry" in outcome.output


def test_merge_keeps_the_mark_and_verify_counts_it(cli: CommandLine, edited: EditedPlugin, suite: Path) -> None:
    cli("run", suite, "--quiet")
    assert cli("merge", "runs", "--into", "merged").exit_code == 0
    edited.take_from(3)
    cli("status", suite)
    assert cli("merge", "runs", "--into", "merged").exit_code == 0
    assert contents(cli.folder / "merged" / "tiny") == contents(cli.folder / "runs" / "tiny")
    assert "2 of them stale" in cli("verify", "merged", "--sample", 0).output


@pytest.mark.slow
def test_an_edit_between_two_commands_is_detected(
    cli: CommandLine, edited: EditedPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(edited.folder))
    suite = write_suite(cli.folder, matrix=acquiring("edited"))
    assert cli.alone("run", suite, "--quiet").exit_code == 0
    edited.take_from(3)
    outcome = cli.alone("run", suite)
    assert (outcome.exit_code, "Warning: 1 trial is stale" in outcome.output) == (1, True)
    assert cli.alone("run", suite, "--fresh", "--quiet").exit_code == 0
    assert cli.alone("run", suite).exit_code == 0
