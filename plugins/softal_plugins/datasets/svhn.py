from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision import datasets

from ._torchvision import Files
from ._torchvision_images import TorchvisionImages

_FILES = Files(
    "svhn",
    "SVHN",
    ("train_32x32.mat", "test_32x32.mat"),
    datasets.SVHN,
    train={"split": "train"},
    test={"split": "test"},
    read_from="SVHN",  # torchvision reads the files from this folder itself
)


@dataclass(frozen=True)
class SVHN(TorchvisionImages):
    """Street View House Numbers, cropped: 73 257 training and 26 032 test images of 3x32x32, 10 classes.

    Pixels are divided by 255, then standardised with the mean and standard deviation of each colour's training pixels,
    measured when they are read. The 531 131 easier images that the authors call extra are left out. Classes differ in
    size: each has 6 to 19 % of the training images.

    The files are read through torchvision (and scipy) from `SVHN` under the data folder, if their MD5 sums are those of
    the originals, and downloaded there if missing.
    """

    citation = "Netzer, Wang, Coates, Bissacco, Wu and Ng 2011, Reading Digits in Natural Images, NIPS workshop"

    @property
    def files(self) -> Files:
        return _FILES

    def pixels(self, part: Any) -> Tensor:
        return torch.from_numpy(part.data)

    def labels(self, part: Any) -> Tensor:
        return torch.from_numpy(part.labels)
