import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import datasets

from ._torchvision import Files
from ._torchvision_images import TorchvisionImages

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of each colour in the training images
_FILES = Files(
    "cifar10",
    "cifar-10-batches-py",
    (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
    datasets.CIFAR10,
)


@dataclass(frozen=True)
class CIFAR10(TorchvisionImages):
    """CIFAR-10: 50 000 training and 10 000 test images of 3x32x32, 10 classes.

    Inputs are (x / 255 - mean) / std of each colour. The files are read through torchvision from `cifar-10-batches-py`
    under the data folder, and downloaded there if missing. They are pickles, which torchvision reads only if their MD5
    sums are those of the originals. The SHA-256 is that of the training pixels and labels.
    """

    citation = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"

    @property
    def files(self) -> Files:
        return _FILES

    def pixels(self, part: Any) -> Tensor:
        return torch.from_numpy(part.data).permute(0, 3, 1, 2)

    def labels(self, part: Any) -> Tensor:
        return torch.tensor(part.targets)

    def mean_and_std(self, train_pixels: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tensor(MEAN), torch.tensor(STD)

    def sha256(self, root: Path, train: Any) -> str:
        return hashlib.sha256(train.data.tobytes() + bytes(train.targets)).hexdigest()
