import hashlib
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.contracts.dataset import count_overlap, require_memory
from softal_bench.errors import DataError, DataMissingError

_NAMES = ("train_images", "train_labels", "test_images", "test_labels")
_FLOATS_HELD = 3  # copies of each stored number in memory at a time: as float32, centred, and standardised
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Arrays(Dataset):
    """A user's own `.npz` file with the arrays train_images, train_labels, test_images and test_labels.

    Images have shape [n, h, w], [n, h, w, channels] (1 to 4 channels) or [n, channels, h, w]; features have shape
    [n, d]. Labels are whole numbers from 0. Images of type uint8 are divided by 255. Inputs are then standardised with
    the mean and standard deviation of the training values, for each channel of images, or for all features together.

    `path` is absolute or relative to the data folder. The number of classes is by default the largest training label
    plus 1.
    """

    path: str = field(
        default="arrays.npz",
        metadata={"meaning": "the file, absolute or relative to the data folder", "is_path": True},
    )
    num_classes: int | None = field(
        default=None, metadata={"meaning": "how many classes there are; by default the largest training label plus 1"}
    )

    def __post_init__(self) -> None:
        if self.num_classes is not None and not 2 <= self.num_classes <= _MOST_CLASSES:
            raise ValueError(f"num_classes is {self.num_classes}; need 2 to {_MOST_CLASSES}")

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
        provenance = Provenance(path.name, len(train_y), _sha256(path))
        return Splits(train, test, provenance, overlap=count_overlap(train.inputs, test.inputs))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [name for name in _NAMES if f"{name}.npy" not in archive.namelist()]
            if missing:
                raise DataError(
                    f"arrays: {path} lacks {', '.join(missing)}; it has {', '.join(names[:20]) or 'nothing'}"
                )
            _require_plausible(path, archive)
            return {name: _array(archive, name) for name in _NAMES}
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a damaged or forged file raises errors of many types
        raise DataError(f"arrays: {path} cannot be read as .npz: {error}; write it with numpy.savez") from error


def _require_plausible(path: Path, archive: zipfile.ZipFile) -> None:
    """Check the sizes in headers against the archive and the memory before anything is allocated."""
    total = 0
    for name in _NAMES:
        shape, dtype = _header(archive, name)
        if dtype.hasobject:
            raise ValueError(f"{name}: Object arrays cannot be loaded")
        if min(shape, default=1) < 1:
            raise DataError(f"arrays: {path}: {name} has shape {shape}; every dimension must be at least 1")
        count, held = math.prod(shape), archive.getinfo(f"{name}.npy").file_size
        if count * dtype.itemsize > held:
            raise DataError(
                f"arrays: {path}: {name} has shape {shape} in its header, which takes {count * dtype.itemsize} bytes, "
                f"but holds {held}; write it with numpy.savez"
            )
        total += count * (dtype.itemsize + _FLOATS_HELD * np.dtype(np.float32).itemsize)
    require_memory(total, f"arrays: {path}: its examples", "store fewer or smaller ones")


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(f"{name}.npy") as member:
        is_first = np.lib.format.read_magic(member) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
        try:
            shape, _, dtype = read(member)
        except MemoryError as error:  # the parser raises it for deep nesting
            raise ValueError(f"the header of {name} is nested too deeply") from error
    return shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _images(path: Path, name: str, images: np.ndarray) -> np.ndarray:
    """Return images as float32 [n, channels, h, w], or features as float32 [n, d]."""
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
