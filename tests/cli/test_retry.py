"""`run --retry` runs the trials that failed, and no others."""

import pytest
from run.example import journals
from softal_plugins.acquisitions.uniform import Uniform
from suite.example import acquiring, write_suite

from .conftest import CommandLine


def breaks(*_: object) -> None:
    raise RuntimeError("no scores today")


def test_retry_resumes_failed_trials_and_writes_the_page(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Uniform, "select", breaks)
        assert cli("run", suite).exit_code == 1
    assert "Trials that failed" in cli.files()["leaderboard/tiny.md"].decode()
    outcome = cli("run", suite, "--retry", "failed")
    assert outcome.exit_code == 0, outcome.output
    assert "[1/1] uniform, B=5, trial 0: done" in outcome.output
    assert "bald" not in outcome.output.partition("Labels to")[0]
    page = cli.files()["leaderboard/tiny.md"].decode()
    assert "2 of 2 trials done" in page
    assert "Trials that failed" not in page


@pytest.mark.usefixtures("fakes")
def test_retry_accepts_several_statuses_and_a_dry_run_lists_the_trials(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, matrix=acquiring("always_raises", "hungry", "uniform"))
    cli("run", suite, "--quiet")
    before = cli.files()
    outcome = cli("run", suite, "--retry", "failed", "--retry", "out_of_memory", "--dry-run")
    assert cli.files() == before
    again = [line for line in outcome.lines if line.startswith("would be retried: ")]
    assert [line.split(": ")[1].split(",")[0] for line in again] == ["always_raises", "hungry"]
    assert cli("run", suite, "--retry", "out_of_memory", "--quiet").exit_code == 1
    retried = [
        lines for lines in journals(cli.folder / "runs").values() if any(line["kind"] == "retry" for line in lines)
    ]
    assert [lines[0]["condition"]["acquisition"]["name"] for lines in retried] == ["hungry"]


def test_retry_with_no_trials_is_refused_and_writes_nothing(cli: CommandLine) -> None:
    suite = write_suite(cli.folder)
    cli("run", suite, "--quiet")
    before = cli.files()
    outcome = cli("run", suite, "--retry", "failed", "--retry", "timeout")
    assert outcome.exit_code == 2
    assert "--retry failed --retry timeout: none of 2 journals ends with status failed or timeout" in outcome.output
    assert cli.files() == before
    assert cli("run", suite, "--retry", "done").exit_code == 2
