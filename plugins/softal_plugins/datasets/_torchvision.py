"""The files of data sets that torchvision reads: downloading them, and reporting what is wrong with them."""

import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from softal_bench.errors import DataError, DataMissingError, first_line

_TRAIN, _TEST = {"train": True}, {"train": False}


@dataclass(frozen=True)
class Files:
    """The files of a data set.

    Attributes:
        dataset: the name of the data set, for messages and the provenance.
        folder: the folder of the files, under the data folder.
        names: the names of the files.
        read: the class of torchvision. It is called with a folder and the options of a part, and with `download=True`
            to download the files.
        train, test: the options of each part.
        read_from: the folder that is passed to torchvision, under the data folder; by default the data folder itself.
    """

    dataset: str
    folder: str
    names: Sequence[str]
    read: Callable[..., Any]
    train: Mapping[str, Any] = field(default_factory=lambda: _TRAIN)
    test: Mapping[str, Any] = field(default_factory=lambda: _TEST)
    read_from: str = ""

    def prepare(self, root: Path) -> None:
        """Download the files if one is missing; `root` is written to only once all are complete.

        Raises:
            DataMissingError: if they cannot be downloaded.
        """
        if not self._missing(root):
            return
        try:
            with tempfile.TemporaryDirectory() as folder:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    self._parts(Path(folder), download=True)
                shutil.copytree(folder, root, dirs_exist_ok=True)
        except Exception as error:
            why = f"downloading them failed: {first_line(error)}"
            raise DataMissingError(f"{self._how_to_get(root)} ({why})") from error

    def load(self, root: Path) -> tuple[Any, Any]:
        """Return the training and test set of torchvision.

        Raises:
            DataMissingError: if a file is missing.
            DataError: if torchvision cannot read the files.
        """
        if self._missing(root):
            raise DataMissingError(self._how_to_get(root))
        try:
            return self._parts(root)
        except Exception as error:
            raise DataError(
                f"{self.dataset}: the files under {root / self.folder} cannot be read as {self.read.__name__}: "
                f"{first_line(error)}; delete that folder and run again to download them"
            ) from error

    def paths(self, root: Path) -> list[Path]:
        """Return the paths of the files, in the order of `names`."""
        return [root / self.folder / name for name in self.names]

    def _parts(self, root: Path, **options: Any) -> tuple[Any, Any]:
        folder = str(root / self.read_from)
        return self.read(folder, **self.train, **options), self.read(folder, **self.test, **options)

    def _missing(self, root: Path) -> list[str]:
        return [path.name for path in self.paths(root) if not path.is_file()]

    def _how_to_get(self, root: Path) -> str:
        return (
            f"{self.dataset}: {', '.join(self._missing(root))} not found in {root / self.folder}. Name the folder that "
            f"holds {self.folder} with --data-dir or SOFTAL_DATA, or put the files there, or run once with a network"
        )
