import hashlib
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
import torch

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.contracts.dataset import count_overlap, require_memory
from softal_bench.errors import DataError, DataMissingError

_NAMES = ("train_images", "train_labels", "test_images", "test_labels")
_COPIES_HELD = 3  # the arrays as stored, as float32, and standardised
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Arrays(Dataset):
    """A user's own `.npz` file with the arrays train_images, train_labels, test_images and test_labels.

    Images are [n, h, w], [n, h, w, channels] (channels last, 1 to 4 of them) or [n, channels, h, w], or features
    [n, d]; labels are whole numbers from 0. Images of type uint8 are divided by 255. Inputs are then standardised, each
    channel (each array as a whole, for features) with the mean and standard deviation of its training values.

    `path` is absolute or relative to the data folder. The number of classes is the largest training label plus 1 unless
    given.
    """

    path: str = field(
        default="arrays.npz",
        metadata={"meaning": "the file, absolute or relative to the data folder", "is_path": True},
    )
    num_classes: int | None = field(
        default=None, metadata={"meaning": "how many classes there are; by default the largest training label plus 1"}
    )

    def __post_init__(self) -> None:
        if self.num_classes is not None and self.num_classes < 2:
            raise ValueError(f"num_classes is {self.num_classes}; need at least 2")

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        path = (root / self.path).resolve()
        return _splits(path, self.num_classes, path.stat().st_mtime_ns if path.exists() else 0)


@cache
def _splits(path: Path, num_classes: int | None, modified: int) -> Splits:
    arrays = _read(path)
    train_x, test_x = (_images(path, name, arrays[name]) for name in ("train_images", "test_images"))
    train_y, test_y = (_labels(path, name, arrays[name]) for name in ("train_labels", "test_labels"))
    num_classes = num_classes or int(train_y.max(initial=0)) + 1
    axes = tuple(axis for axis in range(train_x.ndim) if axis != 1 or train_x.ndim == 2)
    mean, std = train_x.mean(axes, keepdims=True), train_x.std(axes, keepdims=True)
    std = np.where(std > 0, std, 1.0)
    with _located(path):
        train = _examples("train", (train_x - mean) / std, train_y, num_classes)
        test = _examples("test", (test_x - mean) / std, test_y, num_classes)
        provenance = Provenance(path.name, len(train_y), hashlib.sha256(path.read_bytes()).hexdigest())
        return Splits(train, test, provenance, overlap=count_overlap(train.inputs, test.inputs))


def _examples(name: str, inputs: np.ndarray, labels: np.ndarray, num_classes: int) -> Examples:
    with _located(name):
        inputs = np.ascontiguousarray(inputs, dtype=np.float32)
        return Examples(torch.from_numpy(inputs), torch.from_numpy(labels), num_classes)


@contextmanager
def _located(where: str | Path) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"{'arrays: ' if isinstance(where, Path) else ''}{where}: {error}") from error


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataMissingError(
            f"arrays: {path} is not there; give `path` absolute or relative to the data folder (--data-dir)"
        )
    try:
        with path.open("rb") as stream:
            _require_plausible(path, stream)
            with np.load(stream, allow_pickle=False) as file:
                arrays = dict(file)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise DataError(f"arrays: {path} cannot be read as .npz: {error}; write it with numpy.savez") from error
    missing = [name for name in _NAMES if name not in arrays]
    if missing:
        raise DataError(f"arrays: {path} lacks {', '.join(missing)}; it has {', '.join(arrays) or 'nothing'}")
    return arrays


def _require_plausible(path: Path, stream: IO[bytes]) -> None:
    """Check sizes against headers and memory before anything is allocated: a header or an archive may be forged."""
    total = 0
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            with archive.open(member) as array:
                version = np.lib.format.read_magic(array)
                read_header = np.lib.format.read_array_header_1_0
                if version != (1, 0):
                    read_header = np.lib.format.read_array_header_2_0
                shape, _, dtype = read_header(array)
            needed = math.prod(shape) * dtype.itemsize
            if needed > member.file_size:
                raise DataError(
                    f"arrays: {path}: {member.filename} has shape {shape} in its header, which takes {needed} bytes, "
                    f"but holds {member.file_size}; write it with numpy.savez"
                )
            total += member.file_size
    require_memory(_COPIES_HELD * total, f"arrays: {path}")
    stream.seek(0)


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
    if len(labels) and labels.max() >= _MOST_CLASSES:
        raise DataError(
            f"arrays: {path}: {name} has the label {labels.max()}; classes are numbered from 0, and there are at most "
            f"{_MOST_CLASSES}"
        )
    return labels.astype(np.int64)
