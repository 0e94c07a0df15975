"""A distribution with one acquisition function, which tests edit between runs."""

import importlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from softal_bench.registry import acquisitions, source

from .fake_plugins import seen

SOURCE = '''\
"""Takes some points."""

from dataclasses import dataclass

import torch
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction


@dataclass(frozen=True)
class Edited(AcquisitionFunction):
    def select(self, pool, batch_size, generator):
        positions = torch.arange(batch_size) + FIRST
        return AcquiredBatch(positions, torch.zeros(batch_size))


FIRST = 0
'''


class EditedPlugin:
    """The acquisition function `edited`, installed in a folder.

    Args:
        folder: a folder of sys.path, in this process or another.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._package = folder / "softal_edited"
        self._package.mkdir()
        (self._package / "__init__.py").touch()
        metadata = folder / "softal_edited-0.1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: softal-edited\nVersion: 0.1.0\n")
        (metadata / "entry_points.txt").write_text("[softal_bench.acquisitions]\nedited = softal_edited.score:Edited\n")
        self.write("score", SOURCE)

    def write(self, module: str, text: str) -> None:
        """Write a module. This process reads its source again; plugins resolved from a suite keep the old code."""
        (self._package / f"{module}.py").write_text(text)
        self.forget()

    def save_unseen(self, module: str, text: str) -> None:
        """Write a module that this process has imported already, without importing it again."""
        (self._package / f"{module}.py").write_text(text)

    def take_from(self, first: int) -> None:
        """Change which points it chooses."""
        self.write("score", SOURCE.replace("FIRST = 0", f"FIRST = {first}"))

    def reword(self) -> None:
        """Change its docstring and comments, but no code."""
        self.write("score", SOURCE.replace('"""Takes some points."""', '"""Takes some points: the first."""  # ones'))

    @property
    def digest(self) -> str:
        """The digest of its current source."""
        found = source.digest_of({"softal_edited.score"}, source.OwnModules(frozenset({"softal_edited"})))
        assert found is not None
        return found

    def forget(self) -> None:
        """Make this process import its modules again, and not from byte code compiled in the same second."""
        shutil.rmtree(self._package / "__pycache__", ignore_errors=True)
        for name in [name for name in sys.modules if name.partition(".")[0] == "softal_edited"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        for cached in (source._source, source._digest_of_plugin, source._equivalent):
            cached.cache_clear()
        vars(acquisitions)["_broken"].pop("edited", None)  # import it and compute its digest again


@contextmanager
def edited_in(folder: Path) -> Iterator[EditedPlugin]:
    """Install the plugin in a folder and make it visible to this process."""
    plugin = EditedPlugin(folder)
    with seen(folder):
        yield plugin
    plugin.forget()
