import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import datasets

from ._torchvision import Files
from ._torchvision_images import TorchvisionImages

MEAN, STD = 0.1307, 0.3081
_FILES = Files(
    "mnist",
    "MNIST/raw",
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    datasets.MNIST,
)


@dataclass(frozen=True)
class MNIST(TorchvisionImages):
    """MNIST: 60 000 training and 10 000 test images of 28x28, 10 classes.

    Inputs are (x / 255 - 0.1307) / 0.3081. The files are read through torchvision from `MNIST/raw` under the data
    folder, and downloaded there if missing. The SHA-256 is that of the training images.
    """

    citation = "LeCun, Bottou, Bengio and Haffner 1998"

    @property
    def files(self) -> Files:
        return _FILES

    def mean_and_std(self, train_pixels: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tensor([MEAN]), torch.tensor([STD])

    def sha256(self, root: Path, train: Any) -> str:
        return hashlib.sha256(_FILES.paths(root)[0].read_bytes()).hexdigest()
