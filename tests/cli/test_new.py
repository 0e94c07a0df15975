"""`softal-bench new`: a distribution that is complete and works as written, or a clear refusal."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .conftest import CommandLine

EXAMPLE = Path(__file__).parents[2] / "plugins" / "softal-bench-example"
KINDS = {"acquisition": "my_score", "model": "my_model", "dataset": "my_data"}
FILES = {
    ".",
    "README.md",
    "pyproject.toml",
    "softal_bench_{name}/__init__.py",
    "softal_bench_{name}/{name}.py",
    "suites/try_{name}.yaml",
    "tests/conftest.py",
    "tests/test_speed.py",
    "tests/test_{name}.py",
}


def installed(folder: Path) -> dict[str, str]:
    """Return an environment in which the distribution in this folder is installed in editable mode."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return {**os.environ, "PYTHONPATH": str(folder)}


def outcome_of(*arguments: str, folder: Path, environment: dict[str, str]) -> str:
    """Return the output of `python -m ...` in the folder; the command must succeed."""
    command = [sys.executable, "-m", *arguments]
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, f"{arguments}:\n{ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_a_new_distribution_passes_its_tests_and_runs(cli: CommandLine, kind: str, name: str) -> None:
    outcome = cli("new", kind, name)
    assert outcome.exit_code == 0, outcome.output
    folder = cli.folder / f"softal-bench-{name.replace('_', '-')}"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} | {"."} == {
        file.format(name=name) for file in FILES
    }

    environment = installed(folder)
    tested = outcome_of("pytest", "-q", "-p", "no:cacheprovider", folder=folder, environment=environment)
    assert "failed" not in tested
    assert "passed" in tested
    outcome_of("softal_bench", "run", f"suites/try_{name}.yaml", "--quiet", folder=folder, environment=environment)
    page = (folder / "leaderboard" / f"try_{name}.md").read_text()
    assert name in page
    assert "not run" not in page


@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_a_new_distribution_passes_ruff(cli: CommandLine, kind: str, name: str) -> None:
    cli("new", kind, name)
    folder = cli.folder / f"softal-bench-{name.replace('_', '-')}"
    outcome_of("ruff", "check", ".", folder=folder, environment=dict(os.environ))
    outcome_of("ruff", "format", "--check", ".", folder=folder, environment=dict(os.environ))


def test_new_writes_the_example_distribution(cli: CommandLine) -> None:
    assert cli("new", "acquisition", "example").exit_code == 0
    written = cli.folder / "softal-bench-example"
    files = {path.relative_to(written): path.read_text() for path in written.rglob("*") if path.is_file()}
    assert {path: (EXAMPLE / path).read_text() for path in files} == files


def test_new_writes_into_the_given_folder(cli: CommandLine) -> None:
    outcome = cli("new", "acquisition", "my_score", "--into", "deep/inside")
    assert outcome.exit_code == 0
    assert "deep/inside/softal-bench-my-score/softal_bench_my_score/my_score.py" in outcome.lines
    assert (cli.folder / "deep/inside/softal-bench-my-score/pyproject.toml").is_file()


@pytest.mark.parametrize(
    "name",
    [
        *("My", "1st", "a-b", "a__b", "a_", "", "x" * 41, "a/b", "../a", "é", "a b"),
        *("lambda", "none", "true", "yes", "off", "null"),  # words of Python or YAML
        *("speed", "pool", "tensor", "field", "torch"),  # names that the generated files use or import
    ],
)
def test_an_invalid_name_is_refused_and_nothing_is_written(cli: CommandLine, name: str) -> None:
    outcome = cli("new", "acquisition", name)
    assert outcome.exit_code == 2
    assert "cannot name a plugin; use up to 40 lower-case letters" in outcome.output
    assert cli.files() == {}


def test_a_taken_name_is_refused_and_its_owner_is_named(cli: CommandLine) -> None:
    outcome = cli("new", "acquisition", "bald")
    assert outcome.exit_code == 2
    assert "Error: 'bald' is taken: acquisition function of softal-bench " in outcome.output
    assert cli.files() == {}
    assert cli("new", "model", "bald").exit_code == 0  # each kind has its own names


def test_a_name_whose_package_is_installed_is_refused(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    (cli.folder / "softal_bench_mine").mkdir()
    (cli.folder / "softal_bench_mine" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(cli.folder))
    outcome = cli("new", "acquisition", "mine")
    assert (outcome.exit_code, "a package softal_bench_mine is installed" in outcome.output) == (2, True)


def test_an_existing_folder_is_not_changed(cli: CommandLine) -> None:
    (cli.folder / "softal-bench-my-score").mkdir()
    (cli.folder / "softal-bench-my-score" / "mine.txt").write_text("mine")
    before = cli.files()
    outcome = cli("new", "acquisition", "my_score")
    assert outcome.exit_code != 0
    assert "softal-bench-my-score exists; choose another name, or another folder with --into" in outcome.output
    assert cli.files() == before


def test_an_unwritable_folder_is_reported(cli: CommandLine) -> None:
    (cli.folder / "file").write_text("no folder")
    outcome = cli("new", "acquisition", "my_score", "--into", "file")
    assert outcome.exit_code != 0
    assert "cannot be written: Not a directory" in outcome.output
    assert "Traceback" not in outcome.output


def test_an_unknown_kind_is_refused(cli: CommandLine) -> None:
    outcome = cli("new", "score", "my_score")
    assert outcome.exit_code == 2
    assert "acquisition" in outcome.output
