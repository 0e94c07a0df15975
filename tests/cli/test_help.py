"""Every command prints its help at once, without importing torch."""

import subprocess
import sys

import pytest

from softal_bench import __version__
from softal_bench.cli import main

from .conftest import CommandLine

OPTIONS = {
    "run": [
        *["--device", "--data-dir", "--runs", "--leaderboard", "--trials", "--only", "--set", "--dry-run", "--quiet"],
        *["--executor", "--jobs", "--devices", "--ray-address"],
        "--retry",
    ],
    "status": ["--runs", "--leaderboard", "--trials", "--only", "--set", "--json"],
    "leaderboard": ["--runs", "--leaderboard", "--trials", "--only", "--set", "--quiet"],
    "export": ["--runs", "--leaderboard", "--trials", "--only", "--set", "--format", "--output"],
    "merge": ["--into"],
    "verify": ["--sample", "--data-dir", "--device"],
    "check": ["--data-dir"],
    "list": ["--json"],
    "info": [],
    "new": ["--into"],
}


def test_help_lists_every_command(cli: CommandLine) -> None:
    outcome = cli("--help")
    assert outcome.exit_code == 0
    assert set(main.commands) == set(OPTIONS)
    assert all(f"\n  {command} " in outcome.output for command in OPTIONS)


@pytest.mark.parametrize("command", OPTIONS)
def test_help_of_a_command_names_its_options(cli: CommandLine, command: str) -> None:
    outcome = cli(command, "--help")
    assert outcome.exit_code == 0
    assert f"Usage: main {command}" in outcome.output or f"softal-bench {command}" in outcome.output
    assert [option for option in OPTIONS[command] if option not in outcome.output] == []


@pytest.mark.parametrize("command", OPTIONS)
def test_help_of_a_command_has_each_option_in_a_group(cli: CommandLine, command: str) -> None:
    group, found = "", {}
    for line in cli(command, "--help").lines:
        if line.endswith(":") and not line.startswith(" "):
            group = line.removesuffix(":")
        elif line.startswith("  -"):
            found[line.split()[0].removesuffix(",")] = group
    assert found.pop("-h") == "Other options"
    assert set(found.values()) <= {"Selection", "Execution", "Input and output"}
    assert set(OPTIONS[command]) <= set(found)


def test_the_help_of_run_lists_the_exit_codes(cli: CommandLine) -> None:
    words = " ".join(cli("run", "--help").output.split())
    assert (
        "0: all done; 1: some trials failed or are stale; 2: bad usage or suite; 130: interrupted; 143: terminated"
        in words
    )


def test_version_is_printed(cli: CommandLine) -> None:
    assert cli("--version").output == f"softal-bench, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["leaderboard", "--help"], ["--version"]], ids=str
)
def test_help_imports_nothing_heavy(cli: CommandLine, arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "softal_bench", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cli.folder)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"torch", "torchvision", "numpy", "pandas", "matplotlib", "sklearn", "scipy", "pydantic"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run"],
        ["run", "a.yaml", "b.yaml"],
        ["run", "a.yaml", "--no-such-option"],
        ["run", "a.yaml", "--trials", "0"],
        ["run", "a.yaml", "--trials", "many"],
        ["run", "a.yaml", "--only"],
        ["run", "a.yaml", "--retry", "done"],
        ["leaderboard"],
        ["status"],
        ["export", "a.yaml"],
        ["export", "a.yaml", "--format", "xlsx"],
        ["merge", "--into", "a"],
        ["merge", "a"],
        ["verify"],
        ["verify", "a", "--sample", "-1"],
        ["check"],
        ["info"],
        ["list", "nonsense"],
    ],
    ids=" ".join,
)
def test_bad_usage_returns_2_and_writes_nothing(cli: CommandLine, arguments: list[str]) -> None:
    outcome = cli(*arguments)
    assert outcome.exit_code == 2
    assert "Error: " in outcome.output
    assert cli.files() == {}
