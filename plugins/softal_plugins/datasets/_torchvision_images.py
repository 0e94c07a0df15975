"""Data sets of images that torchvision reads: standardised float32 inputs, labels, and their provenance."""

import hashlib
from abc import abstractmethod
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.contracts.dataset import count_overlap
from softal_bench.errors import DataError

from ._torchvision import Files


class TorchvisionImages(Dataset):
    """Images that torchvision reads, with inputs (x / 255 - mean) / std in each channel, for pixels x of 0 to 255.

    A subclass names its files. The defaults are the format of MNIST, 10 classes, the mean and standard deviation of the
    training pixels, and a SHA-256 over all files. The splits are kept in memory for the next load.
    """

    @property
    @abstractmethod
    def files(self) -> Files:
        """The files, and how torchvision reads them."""

    @property
    def num_classes(self) -> int:
        """C, the number of classes."""
        return 10

    def pixels(self, part: Any) -> Tensor:
        """Return the pixels of a part that torchvision read, uint8 [n, channels, h, w]."""
        pixels: Tensor = part.data.unsqueeze(1)
        return pixels

    def labels(self, part: Any) -> Tensor:
        """Return labels_n of a part that torchvision read, int64, from 0."""
        labels: Tensor = part.targets.long()
        return labels

    def mean_and_std(self, train_pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and standard deviation that standardise each channel, in the scale of x / 255."""
        return measured_mean_and_std(train_pixels)

    def sha256(self, root: Path, train: Any) -> str:
        """Return the SHA-256 for the provenance, computed from the bytes of all files in their order."""
        digest = hashlib.sha256()
        for path in self.files.paths(root):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def prepare(self, root: Path) -> None:
        self.files.prepare(root)

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        return _splits(self, root.resolve())


def measured_mean_and_std(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the population standard deviation of x / 255 in each channel, float32 [channels].

    They are computed in float64 from the counts of the 256 values, so the order of pixels does not matter.
    """
    values = torch.arange(256, dtype=torch.float64) / 255
    counts = [pixels[:, channel].flatten().bincount(minlength=256) for channel in range(pixels.shape[1])]
    shares = torch.stack([count / count.sum().double() for count in counts])
    mean = shares @ values
    variance = (shares * (values - mean.unsqueeze(1)).square()).sum(dim=1)
    return mean.float(), variance.sqrt().float()


@cache
def _splits(dataset: TorchvisionImages, root: Path) -> Splits:
    files = dataset.files
    train, test = files.load(root)
    train_pixels, test_pixels = dataset.pixels(train), dataset.pixels(test)
    scale = dataset.mean_and_std(train_pixels)
    try:
        train_part, test_part = (
            Examples(_standardised(pixels, *scale), dataset.labels(part), dataset.num_classes)
            for pixels, part in ((train_pixels, train), (test_pixels, test))
        )
    except DataError as error:
        raise DataError(f"{files.dataset}: in {root / files.folder} {error}") from error
    provenance = Provenance(files.dataset, len(train_part), dataset.sha256(root, train))
    return Splits(train_part, test_part, provenance, overlap=count_overlap(train_pixels, test_pixels))


def _standardised(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return pixels.float().div_(255).sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1)).contiguous()
