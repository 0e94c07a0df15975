import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torchvision import datasets

from softal_bench.contracts import Dataset, Examples, Provenance, Splits

from ._torchvision import Files

MEAN, STD = 0.1307, 0.3081
_FILES = Files(
    "mnist",
    "MNIST/raw",
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    datasets.MNIST,
)


@dataclass(frozen=True)
class MNIST(Dataset):
    """MNIST: 60 000 training and 10 000 test images of 28x28, 10 classes; (x / 255 - 0.1307) / 0.3081.

    Read through torchvision from `MNIST/raw` under the data folder; downloaded there if missing.
    """

    citation = "LeCun, Bottou, Bengio and Haffner 1998"

    def prepare(self, root: Path) -> None:
        _FILES.prepare(root)

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        return _splits(root.resolve())


@cache
def _splits(root: Path) -> Splits:
    train, test = _FILES.load(root)
    sha256 = hashlib.sha256((root / _FILES.folder / _FILES.names[0]).read_bytes()).hexdigest()
    return Splits(
        Examples(_normalised(train.data), train.targets.long(), 10),
        Examples(_normalised(test.data), test.targets.long(), 10),
        Provenance("mnist", len(train), sha256),
    )


def _normalised(images: Tensor) -> Tensor:
    return images.unsqueeze(1).float().div_(255).sub_(MEAN).div_(STD)
