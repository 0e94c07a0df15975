import contextlib
import hashlib
import io
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torchvision import datasets

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.errors import DataError, DataMissingError, first_line

MEAN, STD = 0.1307, 0.3081
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class MNIST(Dataset):
    """MNIST: 60 000 training and 10 000 test images of 28x28, 10 classes; (x / 255 - 0.1307) / 0.3081.

    Read through torchvision from `MNIST/raw` under the data folder; downloaded there if missing.
    """

    citation = "LeCun, Bottou, Bengio and Haffner 1998"

    def prepare(self, root: Path) -> None:
        if _missing(root):
            try:
                _download(root)
            except Exception as error:
                raise DataMissingError(f"{_how_to_get(root)} (downloading them failed: {first_line(error)})") from error

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        if _missing(root):
            raise DataMissingError(_how_to_get(root))
        return _splits(root.resolve())


def _download(root: Path) -> None:
    """Fetch the files; `root` is written to only once all are there."""
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            datasets.MNIST(folder, download=True)
        shutil.copytree(folder, root, dirs_exist_ok=True)


@cache
def _splits(root: Path) -> Splits:
    try:
        train, test = datasets.MNIST(str(root), train=True), datasets.MNIST(str(root), train=False)
    except Exception as error:
        raise DataError(
            f"mnist: the files under {root / 'MNIST' / 'raw'} cannot be read as MNIST: {first_line(error)}; delete "
            "that folder and run again to download them"
        ) from error
    sha256 = hashlib.sha256((root / "MNIST" / "raw" / _FILES[0]).read_bytes()).hexdigest()
    return Splits(
        Examples(_normalised(train.data), train.targets.long(), 10),
        Examples(_normalised(test.data), test.targets.long(), 10),
        Provenance("mnist", len(train), sha256),
    )


def _normalised(images: Tensor) -> Tensor:
    return images.unsqueeze(1).float().div_(255).sub_(MEAN).div_(STD)


def _missing(root: Path) -> list[str]:
    return [name for name in _FILES if not (root / "MNIST" / "raw" / name).is_file()]


def _how_to_get(root: Path) -> str:
    return (
        f"mnist: {', '.join(_missing(root))} not found in {root / 'MNIST' / 'raw'}. Name the folder that "
        "holds MNIST/raw with --data-dir or SOFTAL_DATA, or put the four uncompressed IDX files there, or run "
        "once with a network"
    )
