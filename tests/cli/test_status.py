"""Status reports the state of every trial and writes nothing."""

import json

import pytest
from run.fake_plugins import REASON
from suite.example import acquiring, write_suite

from softal_bench.journal import file as journal

from .conftest import CommandLine


@pytest.mark.usefixtures("fakes")
def test_status_counts_trials_per_method_and_explains_failures(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, matrix=acquiring("always_raises", "hungry", "uniform", "bald"), trials=2)
    cli("run", suite, "--only", "acquisition=[always_raises, hungry, uniform]", "--quiet")
    before = cli.files()
    outcome = cli("status", suite)
    assert outcome.exit_code == 0
    assert cli.files() == before
    assert outcome.lines[-1] == "2 done, 2 failed, 2 out of memory, 2 not run, of 8"
    rows = {line.split("│")[1].strip(): line for line in outcome.lines if line.startswith("│")}
    assert [cell.strip() for cell in rows["uniform"].split("│")[2:-1]] == ["2", "2", "0", "0", "0"]
    assert [cell.strip() for cell in rows["bald"].split("│")[2:-1]] == ["2", "0", "0", "0", "2"]
    assert sum(REASON in line for line in outcome.lines) == 2
    assert "B=5, trial 1" in outcome.output


@pytest.mark.usefixtures("fakes")
def test_status_as_json_has_the_counts_and_full_reasons(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, matrix=acquiring("always_raises", "uniform"))
    cli("run", suite, "--quiet")
    told = json.loads(cli("status", suite, "--json").output)
    assert (told["suite"], told["total"], told["counts"]) == ("tiny", 2, {"done": 1, "failed": 1})
    assert told["acquisitions"] == {"always_raises": {"failed": 1}, "uniform": {"done": 1}}
    (failed,) = told["failed"]
    assert (failed["acquisition"], failed["status"], failed["name"]) == ("always_raises", "failed", "B=5, trial 0")
    assert failed["error"].endswith(REASON)
    assert (cli.folder / "runs" / "tiny" / f"{failed['key']}.jsonl").exists()


def test_status_before_the_first_run_writes_nothing_and_reports_not_run(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    before = cli.files()
    assert cli("status", suite).lines[-1] == "2 not run, of 2"
    assert cli.files() == before


def test_status_distinguishes_running_from_unfinished_trials(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    cli("run", suite, "--quiet")
    for path in (cli.folder / "runs" / "tiny").glob("*.jsonl"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    assert cli("status", suite).lines[-1] == "2 unfinished, of 2"
    with journal.locked(path):
        assert cli("status", suite).lines[-1] == "1 running, 1 unfinished, of 2"
    assert cli("status", suite).lines[-1] == "2 unfinished, of 2"


def test_status_names_a_journal_that_cannot_be_read(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    cli("run", suite, "--quiet")
    path = min((cli.folder / "runs" / "tiny").glob("*.jsonl"))
    path.write_text("{broken\n")
    outcome = cli("status", suite)
    assert "1 done, 1 not readable, of 2" in outcome.output
    assert f"{path.name}: line 1 is not JSON" in outcome.output
    (problem,) = json.loads(cli("status", suite, "--json").output)["not_readable"]
    assert problem["path"].endswith(path.name)


def test_status_of_a_cost_suite_counts_its_cells(cli: CommandLine) -> None:
    text = "{kind: cost, name: tiny, pool_size: 20, posterior_samples: 2, matrix: {acquisition: [uniform, bald], "
    suite = write_suite(cli.folder, text + "batch_size: [1, 2]}}")
    assert cli("status", suite).lines[-1] == "4 not run, of 4"


@pytest.mark.usefixtures("fakes")
def test_no_control_character_of_a_journal_reaches_the_terminal(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, matrix=acquiring("always_raises"))
    cli("run", suite, "--quiet")
    (path,) = (cli.folder / "runs" / "tiny").glob("*.jsonl")
    path.write_text(path.read_text().replace(REASON, "\\u001b[31m[bold]\\u0007"))
    outcome = cli("status", suite)
    assert "[31m[bold]" in outcome.output
    assert not {"\x1b", "\x07"} & set(outcome.output)
