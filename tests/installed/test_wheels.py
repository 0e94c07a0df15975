"""The suite and a third-party plugin as users install them: from wheels, without a clone."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from .conftest import EXAMPLE, REPOSITORY, Installed

pytestmark = pytest.mark.slow


def test_the_wheel_contains_suites_templates_schema_and_references(wheels: list[Path]) -> None:
    names = set(zipfile.ZipFile(wheels[0]).namelist())
    suites = {path.name for path in (REPOSITORY / "suites").glob("*.yaml")}
    assert {f"softal_bench/suite/shipped/{name}" for name in suites} <= names
    assert "softal_bench/suite/shipped/references/table1.yaml" in names
    assert "softal_bench/suite/suite.schema.json" in names
    templates = REPOSITORY / "softal_bench" / "templates"
    files = {f"softal_bench/templates/{path.relative_to(templates)}" for path in templates.rglob("*.txt")}
    assert files
    assert files <= names
    assert not any(name.startswith(("tests", "leaderboard")) for name in names)


def test_all_packages_are_imported_from_the_installation(installed: Installed, tmp_path: Path) -> None:
    for package in ("softal_bench", "softal_plugins", "softal_bench_example"):
        where = installed.python(f"import {package}; print({package}.__path__[0])", tmp_path)
        assert Path(where).is_relative_to(installed.folder)


def test_the_example_is_listed_with_its_distribution(installed: Installed, tmp_path: Path) -> None:
    rows = json.loads(installed("softal-bench", "list", "--json", cwd=tmp_path))
    (row,) = [row for row in rows if row["name"] == "example"]
    assert row == {
        "name": "example",
        "kind": "acquisitions",
        "distribution": "softal-bench-example",
        "version": "0.1.0",
        "status": "ok",
        "error": None,
    }
    assert {row["error"] for row in rows} == {None}


def test_the_tests_of_the_example_pass(installed: Installed, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    printed = installed("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=tmp_path)
    assert " passed" in printed
    assert "failed" not in printed


def test_a_suite_with_the_example_runs_and_its_page_lists_it(installed: Installed, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "suites", tmp_path / "suites")
    installed("softal-bench", "run", "suites/try_example.yaml", "--quiet", cwd=tmp_path)
    page = (tmp_path / "leaderboard" / "try_example.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| example |")]
    assert rows
    assert "not run" not in page


def test_a_shipped_suite_runs_by_name_and_writes_to_the_current_folder(installed: Installed, tmp_path: Path) -> None:
    choice = ["--only", "acquisition=uniform", "--only", "batch_size=10", "--trials", "1", "--set", "budget=40"]
    installed("softal-bench", "run", "quickstart", "--quiet", *choice, cwd=tmp_path)
    assert (tmp_path / "leaderboard" / "quickstart.md").is_file()
    assert list((tmp_path / "runs" / "quickstart").glob("*.jsonl"))
