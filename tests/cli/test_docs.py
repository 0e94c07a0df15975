"""The examples in docs/ work: blocks marked `<!-- test: run -->` run, the others say why they cannot, and are sound."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from softal_bench.suite.keys import TrialSuiteKeys

from .test_readme import REPOSITORY, Block, execute, workplace

__all__ = ["workplace"]  # a fixture

FENCED = re.compile(r"(?:<!-- test: (?P<mark>[^>]*?) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```", re.DOTALL | re.M)
DOCS = sorted((REPOSITORY / "docs").glob("*.md"))


def blocks(language: str) -> list[Any]:
    """The fenced blocks of a language in all documents."""
    found = []
    for path in DOCS:
        text = path.read_text(encoding="utf-8")
        for each in FENCED.finditer(text):
            if each["language"] == language:
                line = text.count("\n", 0, each.start()) + 1
                block = Block(each["mark"] or "", language, each["code"], line)
                found.append(pytest.param(block, id=f"{path.name} line {line}"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("block", [each for each in blocks("bash") if each.values[0].mark == "run"])
def test_a_marked_block_of_commands_runs(block: Block, workplace: Path) -> None:
    execute(["bash", "-euo", "pipefail", "-c", block.code], block, workplace)


@pytest.mark.parametrize("block", blocks("bash"))
def test_a_block_of_commands_is_marked_and_is_sound_bash(block: Block) -> None:
    assert re.fullmatch(r"run|none, .+", block.mark)
    subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_a_block_of_keys_is_taken_by_a_suite(block: Block) -> None:
    TrialSuiteKeys(name="documented", **yaml.safe_load(block.code))
