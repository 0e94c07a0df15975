"""The fenced blocks of a Markdown page, and the marks that say how each block is tested.

- `run`: bash commands. `python`: Python that must run.
- `file PATH`: the block is written to this file, relative to the folder in which the commands before it ended.
- `is PATH`: the block is the content of this file; `python -m docs.fill` in tests/ fills it in.
- `keys`: keys of a suite of trials. `none, REASON`: a block that tests cannot run; bash must still be valid.
"""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
MARKED = re.compile(
    r"<!-- test: (?P<mark>[a-z]+),?(?: (?P<path>[^>]*?))? -->\s*\n```(?P<language>\w+)\n(?P<code>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
LANGUAGES = {"run": {"bash"}, "none": {"bash"}, "keys": {"yaml"}, "python": {"python"}}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page with a mark before it."""

    page: Path
    mark: str
    path: str
    language: str
    code: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.page.name}, line {self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            found["mark"],
            found["path"] or "",
            found["language"],
            found["code"],
            text.count("\n", 0, found.start()) + 1,
        )
        for found in MARKED.finditer(text)
    ]
