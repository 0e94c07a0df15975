"""What data sets read through torchvision share: fetching their files, and saying what is wrong with them."""

import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softal_bench.errors import DataError, DataMissingError, first_line


@dataclass(frozen=True)
class Files:
    """The files of a data set.

    Attributes:
        dataset: its name, for messages.
        folder: where they lie under the data folder.
        names: what they are called.
        read: torchvision's class; called with a folder, and `download=True` or `train=True|False`.
    """

    dataset: str
    folder: str
    names: Sequence[str]
    read: Callable[..., Any]

    def prepare(self, root: Path) -> None:
        """Fetch them if one is missing; `root` is written to only once all are there.

        Raises:
            DataMissingError: if they cannot be fetched.
        """
        if not self._missing(root):
            return
        try:
            with tempfile.TemporaryDirectory() as folder:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    self.read(folder, download=True)
                shutil.copytree(folder, root, dirs_exist_ok=True)
        except Exception as error:
            why = f"downloading them failed: {first_line(error)}"
            raise DataMissingError(f"{self._how_to_get(root)} ({why})") from error

    def load(self, root: Path) -> tuple[Any, Any]:
        """torchvision's training and test set.

        Raises:
            DataMissingError: if a file is not there.
            DataError: if torchvision cannot read them.
        """
        if self._missing(root):
            raise DataMissingError(self._how_to_get(root))
        try:
            return self.read(str(root), train=True), self.read(str(root), train=False)
        except Exception as error:
            raise DataError(
                f"{self.dataset}: the files under {root / self.folder} cannot be read as {self.read.__name__}: "
                f"{first_line(error)}; delete that folder and run again to download them"
            ) from error

    def _missing(self, root: Path) -> list[str]:
        return [name for name in self.names if not (root / self.folder / name).is_file()]

    def _how_to_get(self, root: Path) -> str:
        return (
            f"{self.dataset}: {', '.join(self._missing(root))} not found in {root / self.folder}. Name the folder that "
            f"holds {self.folder} with --data-dir or SOFTAL_DATA, or put the files there, or run once with a network"
        )
