"""A suite file in, a leaderboard out."""

import re
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from run.example import journals, of_kind, settled
from run.fake_plugins import REASON
from suite.example import acquiring, write_suite

from softal_bench.cli.options import SuiteRequest, data_root, suite_options, with_short_paths

from .conftest import CommandLine

TINY = {
    "leaderboard/README.md",
    "leaderboard/tiny.md",
    "leaderboard/figures/tiny-B5.svg",
    "runs/tiny",
}


def test_a_run_writes_journals_a_page_figures_and_the_index(cli: CommandLine) -> None:
    outcome = cli("run", write_suite(cli.folder))
    assert outcome.exit_code == 0, outcome.output
    files = cli.files()
    assert files.keys() >= TINY
    assert len(journals(cli.folder / "runs")) == 2
    page = files["leaderboard/tiny.md"].decode()
    assert page.count("\n") > 30
    assert "2 of 2 trials done" in page
    assert "figures/tiny-B5.svg" in page
    assert files["leaderboard/figures/tiny-B5.svg"].startswith(b"<?xml")
    assert "(tiny.md)" in files["leaderboard/README.md"].decode()
    assert "trials: 2 done" in outcome.output
    assert "page: leaderboard/tiny.md" in outcome.output


def test_output_without_a_terminal_is_plain_and_its_first_line_names_the_device(cli: CommandLine) -> None:
    outcome = cli("run", write_suite(cli.folder, device="auto"), "--device", "cpu")
    assert re.match(r"tiny on cpu \(.+, \d+ cores\)$", outcome.lines[0])
    assert "\x1b" not in outcome.output
    assert "\r" not in outcome.output
    assert outcome.lines[1].startswith("[1/2] uniform, B=5, trial 0: done; 4 rounds left")
    assert outcome.lines[2].startswith("[2/2] bald, B=5, trial 0: done; 0 rounds left")


def test_a_second_run_computes_nothing_and_writes_the_same_page(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    cli("run", suite)
    before = cli.files()
    outcome = cli("run", suite)
    assert outcome.exit_code == 0
    assert cli.files() == before
    assert "trials: 2 done" in outcome.output
    assert "[1/2]" not in outcome.output


def test_the_same_suite_in_another_folder_gives_the_same_journals(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, matrix=acquiring("softmax", {"batchbald": {"joint_samples": 40}}))
    cli("run", suite, "--runs", "once", "--quiet")
    cli("run", suite, "--runs", "again", "--quiet")
    assert settled(cli.folder / "once") == settled(cli.folder / "again") != {}


def test_quiet_prints_only_the_result_and_the_path_of_the_page(cli: CommandLine) -> None:
    outcome = cli("run", write_suite(cli.folder), "--quiet")
    assert outcome.exit_code == 0
    assert outcome.lines[-1] == "page: leaderboard/tiny.md"
    assert len(outcome.lines) <= 2
    assert cli.files().keys() >= TINY


def test_a_dry_run_prints_the_matrix_and_the_number_of_trainings_and_writes_nothing(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    suite = write_suite(
        cli.folder,
        trials=3,
        matrix={**acquiring("uniform", "power", batch_sizes=(5, 10)), "training.max_epochs": [1, 2]},
        exclude=[{"acquisition": "power", "batch_size": 10}],
    )
    before = cli.files()
    outcome = cli("run", suite, "--dry-run")
    assert outcome.exit_code == 0
    assert cli.files() == before
    assert outcome.output.count("power(bald, T=0.125)") == 2
    assert outcome.output.count("│ uniform ") == 4
    assert "training.max_epochs" in outcome.output
    # 3 trials of 2 x (4 rounds at B = 5 for two methods, 3 at B = 10 for one)
    assert "6 conditions" in outcome.output
    assert f"{3 * 2 * (4 + 4 + 3)} trainings" in outcome.output


def test_the_options_trials_only_and_set_select_trials(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, trials=5, matrix=acquiring("uniform", "bald", batch_sizes=(5, 10)))
    choice = ("--trials", 2, "--only", "acquisition=bald", "--only", "batch_size=10", "--set", "budget=20")
    outcome = cli("run", suite, *choice)
    assert outcome.exit_code == 0
    written = journals(cli.folder / "runs").values()
    assert sorted(lines[0]["trial"] for lines in written) == [0, 1]
    for lines in written:
        condition = lines[0]["condition"]
        assert (condition["acquisition"]["name"], condition["batch_size"], condition["budget"]) == ("bald", 10, 20)
        assert [line["labels"] for line in of_kind(lines, "round")] == [10, 20]
    page = cli.files()["leaderboard/tiny.md"].decode()
    assert "2 of 2 trials done" in page
    assert "uniform" not in page


def test_folders_can_be_chosen(cli: CommandLine) -> None:
    outcome = cli("run", write_suite(cli.folder), "--runs", "a/b", "--leaderboard", "c/d", "--data-dir", "e")
    assert outcome.exit_code == 0
    assert {"a/b/tiny", "c/d/tiny.md", "c/d/README.md", "c/d/figures/tiny-B5.svg"} <= cli.files().keys()
    assert not {"runs", "leaderboard", "data", "e"} & cli.files().keys()


def test_a_changed_suite_keeps_the_finished_trials(cli: CommandLine) -> None:
    cli("run", write_suite(cli.folder, matrix=acquiring("uniform")))
    before = journals(cli.folder / "runs")
    outcome = cli("run", write_suite(cli.folder, matrix=acquiring("uniform", "entropy")))
    after = journals(cli.folder / "runs")
    assert before.items() <= after.items()
    assert len(after) == 2
    assert "[2/2] entropy" in outcome.output
    assert "[1/2]" not in outcome.output


def test_labels_and_titles_with_brackets_are_shown_unchanged(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, title="[bold]A [red]title", matrix=acquiring("softmax"))
    outcome = cli("run", suite)
    assert outcome.exit_code == 0
    assert "softmax(bald, T=0.125), B=5, trial 0: done" in outcome.output
    assert "bold" in cli.files()["leaderboard/tiny.md"].decode()


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("quiet", [[], ["--quiet"]], ids=["loud", "quiet"])
def test_a_failing_trial_is_reported_the_others_continue_and_the_exit_code_is_1(
    cli: CommandLine, quiet: list[str]
) -> None:
    suite = write_suite(cli.folder, matrix=acquiring("always_raises", "too_few", "uniform"))
    outcome = cli("run", suite, *quiet)
    assert outcome.exit_code == 1
    assert (
        f"always_raises, B=5, trial 0: failed: acquisition function 'always_raises' raised RuntimeError: {REASON}"
        in outcome.output
    )
    assert "too_few, B=5, trial 0: failed: acquisition function 'too_few': positions" in outcome.output
    assert "trials: 1 done, 2 failed" in outcome.output
    assert "Traceback" not in outcome.output
    errors = {
        lines[0]["condition"]["acquisition"]["name"]: lines[-1] for lines in journals(cli.folder / "runs").values()
    }
    assert REASON in errors["always_raises"]["error"]
    assert errors["uniform"]["status"] == "done"
    page = cli.files()["leaderboard/tiny.md"].decode()
    assert "Trials that failed" in page
    assert REASON in page
    assert cli("run", suite, *quiet).exit_code == 1  # the failed trial is not tried again


@pytest.mark.usefixtures("fakes")
def test_rounds_of_a_failed_trial_do_not_count_as_left(cli: CommandLine) -> None:
    outcome = cli("run", write_suite(cli.folder, matrix=acquiring("always_raises", "uniform"), model="flat"))
    ended = [line for line in outcome.lines if line.startswith("[")]
    assert "; 4 rounds left" in ended[0]
    assert "; 0 rounds left" in ended[1]


@pytest.mark.usefixtures("fakes")
def test_a_failing_model_does_not_stop_the_other_models(cli: CommandLine) -> None:
    models = ["model_raises", "model_predicts_nan", "model_without_posterior", "flat"]
    suite = write_suite(cli.folder, model=None, matrix={**acquiring("bald"), "model": models})
    outcome = cli("run", suite)
    assert outcome.exit_code == 1, outcome.output
    assert "trials: 1 done, 3 failed" in outcome.output
    for model in models[:3]:
        assert f"failed: model '{model}'" in outcome.output


@pytest.mark.usefixtures("fakes")
def test_a_data_set_that_raises_is_named_without_a_traceback(cli: CommandLine) -> None:
    outcome = cli("run", write_suite(cli.folder, dataset="lost"))
    assert outcome.exit_code in (1, 2)
    assert "'lost' raised RuntimeError" in outcome.output
    assert REASON in outcome.output
    assert "Traceback" not in outcome.output


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(
    ("name", "why"), [("not_there", "NotThere"), ("not_a_plugin", "not a subclass of Acquisition")]
)
def test_a_broken_plugin_stops_only_the_suites_that_use_it(cli: CommandLine, name: str, why: str) -> None:
    assert cli("run", write_suite(cli.folder)).exit_code == 0
    outcome = cli("run", write_suite(cli.folder, matrix=acquiring("uniform", name)))
    assert outcome.exit_code == 2
    assert f"matrix.acquisition[1]: acquisition function '{name}' is broken: " in outcome.output
    assert why in outcome.output


def test_an_unreadable_journal_is_named_others_continue_and_the_exit_code_is_1(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    cli("run", suite)
    path = min((cli.folder / "runs" / "tiny").glob("*.jsonl"))
    path.write_text("{broken\n")
    outcome = cli("run", suite)
    assert outcome.exit_code == 1
    assert f"{path.name}: line 1 is not JSON; move the file away" in outcome.output
    assert path.read_text() == "{broken\n"
    assert "1 done" in outcome.output
    assert "not readable" in cli.files()["leaderboard/tiny.md"].decode()


def test_a_resumed_torn_journal_is_reported(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, matrix=acquiring("uniform"))
    cli("run", suite)
    (path,) = (cli.folder / "runs" / "tiny").glob("*.jsonl")
    undisturbed = settled(cli.folder / "runs")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:4]) + "\n" + lines[4][:20])
    outcome = cli("run", suite)
    assert outcome.exit_code == 0
    assert "uniform, B=5, trial 0: continues after 2 rounds" in outcome.output
    assert "; 0 rounds left" in outcome.output
    assert settled(cli.folder / "runs") == undisturbed


@pytest.mark.parametrize("place", ["runs", "leaderboard"])
def test_a_folder_that_cannot_be_written_is_an_error_that_says_what_to_do(cli: CommandLine, place: str) -> None:
    (cli.folder / place).write_text("a file in the way")
    outcome = cli("run", write_suite(cli.folder))
    assert outcome.exit_code == 1
    assert f"Error: {place}" in outcome.output
    assert "--runs" in outcome.output or "--leaderboard" in outcome.output
    assert (cli.folder / place).read_text() == "a file in the way"


def test_the_user_s_arrays_can_be_run_from_an_absolute_path(
    cli: CommandLine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    generator = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("elsewhere") / "mine.npz"
    np.savez(
        path,
        train_images=generator.integers(0, 256, (80, 8, 8), dtype=np.uint8),
        test_images=generator.integers(0, 256, (20, 8, 8), dtype=np.uint8),
        train_labels=np.arange(80) % 4,
        test_labels=np.arange(20) % 4,
    )
    suite = write_suite(cli.folder, dataset={"arrays": {"path": str(path)}}, validation_size=10)
    assert cli("run", suite).exit_code == 0
    (first, *_) = journals(cli.folder / "runs").values()
    assert first[0]["condition"]["dataset"]["parameters"]["path"] == str(path)


def test_runs_leave_no_temporary_files(cli: CommandLine) -> None:
    cli("run", write_suite(cli.folder))
    assert [name for name in cli.files() if name.endswith((".tmp", "~"))] == []
    assert not list(Path.cwd().glob("*.tmp"))


def test_a_dry_run_estimates_time_and_memory_per_condition_and_suite(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    suite = write_suite(cli.folder, trials=3)
    outcome = cli("run", suite, "--dry-run", "--executor", "processes", "--jobs", 2)
    assert outcome.exit_code == 0
    assert "time per trial (estimate)" in outcome.output
    assert re.search(
        r"^about \d+ s one trial after another, \d+ s left, \d+ s with 2 at a time; estimated from journals for 0 cond",
        outcome.output,
        re.M,
    )
    assert "from journals for 0 conditions, from a short run for 2, assuming the longest training" in outcome.output
    assert re.search(r"^most memory: about [\d.]+ GiB, for \w+ with B=5$", outcome.output, re.M)
    cli("run", suite, "--trials", 1)
    assert "estimated from journals for 2 conditions, from a short run for 0\n" in cli("run", suite, "--dry-run").output


def test_a_dry_run_without_data_reports_unknown_time_and_memory(cli: CommandLine) -> None:
    outcome = cli("run", write_suite(cli.folder, dataset="mnist", model="lenet5"), "--dry-run")
    assert outcome.exit_code == 0
    assert "time and memory are unknown without the data" in outcome.output


def test_a_dry_run_of_a_cost_suite_reports_the_maximum_time(cli: CommandLine) -> None:
    path = cli.folder / "cost.yaml"
    path.write_text("{kind: cost, name: c, pool_size: 9, matrix: {acquisition: [uniform], batch_size: [1, 2, 3]}}")
    assert "at most 60 s by limits.cell_seconds" in cli("run", path, "--dry-run").output


def test_relative_paths_refer_to_the_initial_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder may change later."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFTAL_DATA", "data")
    requests: list[SuiteRequest] = []

    @click.command()
    @suite_options
    def command(request: SuiteRequest) -> None:
        requests.append(request)

    CliRunner().invoke(command, ["s.yaml", "--runs", "../r"], catch_exceptions=False)
    assert (requests[0].runs, requests[0].pages) == (tmp_path / "../r", tmp_path / "leaderboard")
    assert data_root(None) == tmp_path / "data"
    assert data_root(Path("d")) == tmp_path / "d"
    assert with_short_paths(f"{tmp_path}/leaderboard/s.md: lost; see {tmp_path}/x") == (
        f"leaderboard/s.md: lost; see {tmp_path}/x"
    )
