"""The commands of the pages in docs/, run in the order of the page, in an environment without a clone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from docs.blocks import PAGES, Block, blocks_of

from .conftest import Installed

pytestmark = pytest.mark.long
RUN = 'cd "$(cat {place})"\n{code}\npwd > {place}\n'


class Reader:
    """Follows a page: runs its commands in successive shells, each in the folder where the last one ended."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        self._installed = installed
        self._place = folder / ".place"
        self._place.write_text(str(folder))
        self.follow: dict[str, Callable[[Block], None]] = {"run": self.run, "file": self.write, "is": self.compare}

    def folder(self) -> Path:
        return Path(self._place.read_text().strip())

    def run(self, block: Block) -> None:
        script = RUN.format(place=self._place, code=block.code)
        self._installed("bash", "-euo", "pipefail", "-c", script, cwd=self.folder())

    def write(self, block: Block) -> None:
        (self.folder() / block.path).write_text(block.code)

    def compare(self, block: Block) -> None:
        assert (self.folder() / block.path).read_text() == block.code, block.place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run_in_order(page: Path, installed: Installed, tmp_path: Path) -> None:
    reader = Reader(installed, tmp_path)
    for block in blocks_of(page):
        if block.mark in reader.follow:  # Python blocks need no folder: tests/docs runs them
            reader.follow[block.mark](block)
