"""The README's examples work: bash blocks marked `<!-- test: run -->`, Python blocks marked `<!-- test: python -->`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs.blocks import LANGUAGES, REPOSITORY, Block, blocks_of

README = REPOSITORY / "README.md"
SECONDS = 600


def marked(mark: str) -> list[Block]:
    return [block for block in blocks_of(README) if block.mark == mark]


def identified(found: list[Block]) -> list[object]:
    return [pytest.param(block, id=f"line {block.line}") for block in found]


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Return a folder with the suites, as a user has it after cloning."""
    shutil.copytree(REPOSITORY / "suites", tmp_path / "suites")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """Return this environment, with this interpreter's commands first in its path and no data from elsewhere."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SOFTAL_DATA": str(folder / "data"),
    }


def execute(command: list[str], block: Block, folder: Path) -> None:
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, f"README.md, line {block.line}:\n{block.code}\n{ended.stdout}{ended.stderr}"


def test_the_readme_has_marked_blocks_whose_languages_match_their_marks() -> None:
    found = blocks_of(README)
    assert marked("run")
    assert {block.mark for block in found} <= set(LANGUAGES)
    assert [block.line for block in found if block.language not in LANGUAGES[block.mark]] == []
    text = README.read_text(encoding="utf-8")
    assert text.count("<!-- test: ") == len(found)  # each mark is directly before a block


@pytest.mark.slow
@pytest.mark.parametrize("block", identified(marked("run")))
def test_a_marked_block_of_commands_runs(block: Block, workplace: Path) -> None:
    execute(["bash", "-euo", "pipefail", "-c", block.code], block, workplace)


@pytest.mark.parametrize("block", identified(marked("python")))
def test_a_marked_block_of_python_runs(block: Block, workplace: Path) -> None:
    execute([sys.executable, "-c", block.code], block, workplace)
