"""The pages of docs/: generated parts are up to date, every block is marked, and Python blocks run.

Commands are run in `tests/installed`, where the package is installed as for users.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from softal_bench.suite.keys import TrialSuiteKeys

from .blocks import FENCED, LANGUAGES, PAGES, REPOSITORY, Block, blocks_of
from .fill import PAGES as FILLED
from .keys import SECTIONS, schema


def marked(mark: str) -> list[object]:
    """Return the blocks of all pages with this mark, as parameters of a test."""
    blocks = [block for page in PAGES for block in blocks_of(page)]
    return [pytest.param(block, id=block.place) for block in blocks if block.mark == mark]


PYTHON, UNTRIED, KEYS = marked("python"), marked("none"), marked("keys")


@pytest.mark.parametrize("name", FILLED)
def test_generated_parts_are_up_to_date(name: str) -> None:
    text = (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
    assert FILLED[name](text) == text, "run `python -m docs.fill` in tests/"


def test_every_key_of_the_schema_has_a_table() -> None:
    assert set(SECTIONS) == set(schema()["$defs"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_run_or_compared(page: Path) -> None:
    text, marked = page.read_text(encoding="utf-8"), blocks_of(page)
    assert marked
    assert {block.mark for block in marked} <= {"run", "python", "file", "is", "keys", "none"}
    assert [block.place for block in marked if block.language not in LANGUAGES.get(block.mark, {block.language})] == []
    commands = "\n".join(block.code for block in marked)
    unmarked = set(FENCED.findall(text)) - {block.code for block in marked}
    untested = {line for code in unmarked for line in code.splitlines() if line.split("  ")[0] not in commands}
    assert untested == set()  # a block without a mark repeats lines of a marked one


@pytest.mark.parametrize("block", PYTHON)
def test_a_python_block_runs(block: Block, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", block.code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"{block.place}:\n{ended.stderr}"


@pytest.mark.parametrize("block", UNTRIED)
def test_a_block_that_cannot_run_here_says_why_and_is_valid_bash(block: Block) -> None:
    assert block.path
    subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)


@pytest.mark.parametrize("block", KEYS)
def test_a_suite_accepts_a_block_of_keys(block: Block) -> None:
    keys = yaml.safe_load(block.code)
    assert TrialSuiteKeys(name="documented", **keys).model_dump(include=keys.keys(), exclude_unset=True) == keys


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "README.md"], ids=lambda page: page.name)
def test_links_within_the_project_are_valid(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
