import hashlib
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.errors import DataError, DataMissingError

_NAMES = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Arrays(Dataset):
    """A user's own `.npz` file with the arrays train_images, train_labels, test_images and test_labels.

    Images are [n, h, w], [n, h, w, channels] (channels last, 1 to 4 of them) or [n, channels, h, w], or features
    [n, d]; labels are whole numbers from 0. Images of type uint8 are divided by 255. Inputs are then standardised, each
    channel (each array as a whole, for features) with the mean and standard deviation of its training values.

    `path` is absolute or relative to the data folder. The number of classes is the largest training label plus 1 unless
    given.
    """

    path: str
    num_classes: int | None = None

    def __post_init__(self) -> None:
        if self.num_classes is not None and self.num_classes < 2:
            raise ValueError(f"num_classes is {self.num_classes}; need at least 2")

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        return _splits((root / self.path).resolve(), self.num_classes)


@cache
def _splits(path: Path, num_classes: int | None) -> Splits:
    arrays = _read(path)
    train_x, test_x = (_images(path, name, arrays[name]) for name in ("train_images", "test_images"))
    train_y, test_y = (_labels(path, name, arrays[name]) for name in ("train_labels", "test_labels"))
    num_classes = num_classes or int(train_y.max(initial=0)) + 1
    axes = tuple(axis for axis in range(train_x.ndim) if axis != 1 or train_x.ndim == 2)
    mean, std = train_x.mean(axes, keepdims=True), train_x.std(axes, keepdims=True)
    std = np.where(std > 0, std, 1.0)
    try:
        return Splits(
            Examples(_tensor((train_x - mean) / std), torch.from_numpy(train_y), num_classes),
            Examples(_tensor((test_x - mean) / std), torch.from_numpy(test_y), num_classes),
            Provenance(path.name, len(train_y), hashlib.sha256(path.read_bytes()).hexdigest()),
        )
    except (DataError, ValueError) as error:
        raise DataError(f"arrays: {path}: {error}") from error


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataMissingError(
            f"arrays: {path} is not there; give `path` absolute or relative to the data folder (--data-dir)"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(f"arrays: {path} cannot be read as .npz: {error}; write it with numpy.savez") from error
    missing = [name for name in _NAMES if name not in arrays]
    if missing:
        raise DataError(f"arrays: {path} lacks {', '.join(missing)}; it has {', '.join(arrays) or 'nothing'}")
    return arrays


def _images(path: Path, name: str, images: np.ndarray) -> np.ndarray:
    """Images as float32 [n, channels, h, w], or features [n, d]."""
    if images.ndim not in (2, 3, 4) or images.dtype.kind not in "uif" or not len(images):
        raise DataError(
            f"arrays: {path}: {name} has shape {images.shape} and type {images.dtype}; need numbers of shape "
            "[n, h, w], "
            f"[n, h, w, channels], [n, channels, h, w] or [n, d], n at least 1"
        )
    scaled = images.astype(np.float32) / (255 if images.dtype == np.uint8 else 1)
    if not np.isfinite(scaled).all():
        raise DataError(f"arrays: {path}: {name} has values that are not finite")
    if images.ndim == 3:
        return scaled[:, None]
    if images.ndim == 4 and images.shape[3] <= 4 < images.shape[1]:
        return scaled.transpose(0, 3, 1, 2)
    return scaled


def _labels(path: Path, name: str, labels: np.ndarray) -> np.ndarray:
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise DataError(
            f"arrays: {path}: {name} has shape {labels.shape} and type {labels.dtype}; need whole numbers [n]"
        )
    return labels.astype(np.int64)


def _tensor(inputs: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
