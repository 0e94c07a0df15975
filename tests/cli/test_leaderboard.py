"""Pages are rebuilt from journals alone."""

import shutil

from suite.example import acquiring, write_suite

from .conftest import CommandLine


def test_leaderboard_rebuilds_the_same_bytes(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, trials=2)
    cli("run", suite)
    before = cli.files()
    shutil.rmtree(cli.folder / "leaderboard")
    outcome = cli("leaderboard", suite)
    assert outcome.exit_code == 0
    assert "page: leaderboard/tiny.md" in outcome.output
    assert cli.files() == before


def test_leaderboard_runs_nothing_and_shows_missing_trials(cli: CommandLine) -> None:
    outcome = cli("leaderboard", write_suite(cli.folder))
    assert outcome.exit_code == 0
    assert "**0 of 2 trials done**; 2 not run" in cli.files()["leaderboard/tiny.md"].decode()
    assert "runs" not in cli.files()


def test_leaderboard_needs_no_data(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, dataset="mnist", model="lenet5")
    assert cli("leaderboard", suite, "--quiet").output == "page: leaderboard/tiny.md\n"
    assert "data" not in cli.files()


def test_leaderboard_shows_the_suite_with_the_given_options(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, trials=2, matrix=acquiring("uniform", "bald"))
    cli("run", suite, "--set", "budget=15")
    chosen = ("--set", "budget=15", "--only", "acquisition=bald", "--trials", 1)
    assert cli("leaderboard", suite, *chosen).exit_code == 0
    page = cli.files()["leaderboard/tiny.md"].decode()
    assert "1 of 1 trials done" in page
    assert "uniform" not in page
    cli("leaderboard", suite)  # nothing was run with the file's own budget
    assert "**0 of 4 trials done**; 4 not run" in cli.files()["leaderboard/tiny.md"].decode()


def test_leaderboard_uses_published_records_if_there_are_no_runs(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    cli("run", suite)
    page = cli.files()["leaderboard/tiny.md"]
    (cli.folder / "leaderboard" / "records").mkdir()
    shutil.move(cli.folder / "runs" / "tiny", cli.folder / "leaderboard" / "records" / "tiny")
    assert cli("leaderboard", suite).exit_code == 0
    assert cli.files()["leaderboard/tiny.md"] == page


def test_leaderboard_uses_other_folders(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    cli("run", suite, "--runs", "mine", "--leaderboard", "pages")
    before = cli.files()
    shutil.rmtree(cli.folder / "pages")
    cli("leaderboard", suite, "--runs", "mine", "--leaderboard", "pages")
    assert cli.files() == before
