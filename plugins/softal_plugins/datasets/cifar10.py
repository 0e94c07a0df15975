import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torchvision import datasets

from softal_bench.contracts import Dataset, Examples, Provenance, Splits

from ._torchvision import Files

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training images, each colour
_FILES = Files(
    "cifar10",
    "cifar-10-batches-py",
    (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
    datasets.CIFAR10,
)


@dataclass(frozen=True)
class CIFAR10(Dataset):
    """CIFAR-10: 50 000 training and 10 000 test images of 3x32x32, 10 classes; (x / 255 - mean) / std of each colour.

    Read through torchvision from `cifar-10-batches-py` under the data folder; downloaded there if missing. Its files
    are pickles: torchvision reads them only if their MD5 sums are those of the originals.
    """

    citation = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"

    def prepare(self, root: Path) -> None:
        _FILES.prepare(root)

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        return _splits(root.resolve())


@cache
def _splits(root: Path) -> Splits:
    train, test = _FILES.load(root)
    digest = hashlib.sha256(train.data.tobytes() + bytes(train.targets)).hexdigest()
    return Splits(_examples(train), _examples(test), Provenance("cifar10", len(train), digest))


def _examples(images: Any) -> Examples:
    inputs = torch.from_numpy(images.data).permute(0, 3, 1, 2).float().div_(255)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return Examples(inputs.sub_(mean).div_(std).contiguous(), torch.tensor(images.targets), 10)
