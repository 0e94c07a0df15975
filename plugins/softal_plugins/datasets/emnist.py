from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor
from torchvision import datasets

from ._torchvision import Files
from ._torchvision_images import TorchvisionImages

_NUM_CLASSES = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}


@dataclass(frozen=True)
class EMNIST(TorchvisionImages):
    """EMNIST: images of handwritten letters and digits, 28x28, in one of six splits.

    byclass: 62 classes, for digits, capital and small letters. bymerge: 47 classes; letters that look alike in both
    cases are one class. balanced: the same 47 classes, of equal size. letters: 26 classes; both cases of a letter are
    one class. digits: 10 classes of equal size. mnist: 10 classes, with as many images as MNIST.

    Images are transposed in the files and upright here. Labels of the split letters are 1 to 26 in the files and 0 to
    25 here. Pixels are divided by 255, then standardised with the mean and standard deviation of the training pixels of
    the split, measured when they are read. The files are read through torchvision from `EMNIST/raw` under the data
    folder; if they are missing, all six splits are downloaded there.

    Raises:
        ValueError: if there is no such split.
    """

    split: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] = field(
        default="balanced", metadata={"meaning": "which of the six splits"}
    )

    citation = "Cohen, Afshar, Tapson and van Schaik 2017, arXiv:1702.05373"

    def __post_init__(self) -> None:
        if self.split not in _NUM_CLASSES:
            raise ValueError(f"split is {self.split!r}; it must be one of {', '.join(_NUM_CLASSES)}")

    @property
    def files(self) -> Files:
        names = [
            f"emnist-{self.split}-{part}-{kind}"
            for part in ("train", "test")
            for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
        ]
        train, test = {"split": self.split, "train": True}, {"split": self.split, "train": False}
        return Files(f"emnist {self.split}", "EMNIST/raw", names, datasets.EMNIST, train, test)

    @property
    def num_classes(self) -> int:
        return _NUM_CLASSES[self.split]

    def pixels(self, part: Any) -> Tensor:
        return super().pixels(part).transpose(2, 3)

    def labels(self, part: Any) -> Tensor:
        return super().labels(part) - (1 if self.split == "letters" else 0)
