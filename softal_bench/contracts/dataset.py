"""The contract of a data set: examples for training and test, with their provenance."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from softal_bench.errors import DataError

_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True)
class Examples:
    """Inputs with their labels.

    Attributes:
        inputs: float32 Tensor [n, ...].
        labels: int64 Tensor [n], each label in 0 .. C-1.
        num_classes: C.
        fixed_features: float32 Tensor [n, F], features that do not depend on a model; None if there are none other than
            the inputs.

    Raises:
        DataError: if shapes or dtypes do not match, or a label is out of range.
    """

    inputs: Tensor
    labels: Tensor
    num_classes: int
    fixed_features: Tensor | None = None

    def __post_init__(self) -> None:
        features = self.fixed_features
        if features is not None and (features.shape[:-1] != self.labels.shape or features.dtype != torch.float32):
            raise DataError(
                f"fixed features are {features.dtype} of shape {tuple(features.shape)}; they must be float32 of shape "
                f"({len(self.labels)}, F)"
            )
        if self.labels.ndim != 1 or len(self.inputs) != len(self.labels):
            shapes = f"{tuple(self.inputs.shape)} inputs and {tuple(self.labels.shape)} labels"
            raise DataError(f"{shapes} do not fit together; they must be [n, ...] and [n]")
        if self.inputs.dtype != torch.float32 or self.labels.dtype != torch.int64:
            raise DataError(
                f"inputs are {self.inputs.dtype} and labels {self.labels.dtype}; they must be float32 and int64"
            )
        if len(self) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.num_classes:
            low, high = int(self.labels.min()), int(self.labels.max())
            raise DataError(
                f"labels run from {low} to {high}; {self.num_classes} classes allow 0 to {self.num_classes - 1}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, indices: Tensor) -> "Examples":
        """Return the examples at these indices."""
        return self._with(lambda tensor: tensor[indices])

    def to(self, device: torch.device) -> "Examples":
        """Return the same examples on a device."""
        return self._with(lambda tensor: tensor.to(device))

    @property
    def features(self) -> Tensor | None:
        """features_n_F: the fixed features, or the inputs if they are vectors, or None."""
        vectors = self.inputs if self.inputs.ndim == 2 else None
        return vectors if self.fixed_features is None else self.fixed_features

    def _with(self, change: Callable[[Tensor], Tensor]) -> "Examples":
        features = None if self.fixed_features is None else change(self.fixed_features)
        return Examples(change(self.inputs), change(self.labels), self.num_classes, features)


@dataclass(frozen=True)
class Provenance:
    """The origin of a data set, as journals record it.

    Attributes:
        name: the name of the data set.
        size: its number of training examples.
        sha256: the SHA-256 of the bytes that it was read from, in hexadecimal.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Splits:
    """A loaded data set. The pool, the validation set and the labelled set are all drawn from `train`.

    Every class has an example in `train`.

    Attributes:
        train: the training examples.
        test: the test examples.
        provenance: the origin of the data.
        source_N: int64 Tensor [N] if a wrapper repeated examples: for each training example, the index of the original
            that it copies. All copies of an original have the same label. None if there are no copies.
        overlap: the number of test examples whose input is also a training input. These examples remain in the test
            set; see `count_overlap`.

    Raises:
        DataError: if a part is empty, the parts have different shapes or classes, or `overlap` is not in
            0 .. number of test examples.
    """

    train: Examples
    test: Examples
    provenance: Provenance
    source_N: Tensor | None = None
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.source_N is not None and self.source_N.shape != (len(self.train),):
            raise DataError(
                f"{self.provenance.name}: source_N has shape {tuple(self.source_N.shape)}; it must be "
                f"({len(self.train)},)"
            )
        if not len(self.train) or not len(self.test):
            raise DataError(
                f"{self.provenance.name}: {len(self.train)} training and {len(self.test)} test examples; need at least "
                "1 of each"
            )
        if self.train.num_classes != self.test.num_classes or self.train.inputs.shape[1:] != self.test.inputs.shape[1:]:
            raise DataError(
                f"{self.provenance.name}: training inputs have shape {tuple(self.train.inputs.shape[1:])} and "
                f"{self.train.num_classes} classes, test inputs {tuple(self.test.inputs.shape[1:])} and "
                f"{self.test.num_classes}; they must be the same"
            )
        if (self.train.fixed_features is None) != (self.test.fixed_features is None):
            raise DataError(f"{self.provenance.name}: only one of the training and the test set has fixed features")
        if not 0 <= self.overlap <= len(self.test):
            raise DataError(
                f"{self.provenance.name}: overlap is {self.overlap}; {len(self.test)} test examples allow 0 to "
                f"{len(self.test)}"
            )


def require_memory(needed_bytes: int, what: str, what_to_do: str) -> None:
    """Raise DataError if this machine cannot hold so many bytes; call it before allocating them.

    Args:
        needed_bytes: the number of bytes.
        what: what needs them, for the message, as a plural: `repeated: 12000 copies`.
        what_to_do: what the user can change, for the message: `lower times`.
    """
    available = available_bytes()
    if needed_bytes > available:
        raise DataError(
            f"{what} need about {needed_bytes / 2**30:.3g} GiB of memory, but {available / 2**30:.3g} GiB are "
            f"available on this machine; {what_to_do}, or use a machine with more memory"
        )


def available_bytes() -> int:
    """Return the memory that this process can still use.

    On Linux, it is what the system has available, at most the limit of the container. Elsewhere, it is all memory of
    the machine.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([available, *_container_limits()])


def _container_limits() -> Iterator[int]:
    for limit in _CONTAINER_LIMITS:
        try:
            yield int(limit.read_text())
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue


def count_overlap(train_inputs: Tensor, test_inputs: Tensor) -> int:
    """Return how many test inputs equal a training input byte for byte.

    A test input that occurs twice in the test set counts twice. Labels are ignored.

    Args:
        train_inputs: Tensor [n, ...] of any dtype.
        test_inputs: Tensor [m, ...] of the same dtype, with inputs of the same shape.

    Takes one pass over both sets to compute a 128-bit digest of each input; keeps the digests of the training set.
    """
    seen = set(_digests(train_inputs))
    return sum(digest in seen for digest in _digests(test_inputs))


def _digests(inputs: Tensor) -> Iterator[bytes]:
    return (hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in inputs.cpu().numpy())


class Dataset(ABC):
    """A data set. Subclasses are frozen dataclasses whose fields are their parameters in YAML.

    Attributes:
        citation: the publication that describes the data.
        revision: increased by one when a change alters results.
    """

    citation: ClassVar[str] = ""
    revision: ClassVar[int] = 1

    def prepare(self, root: Path) -> None:  # noqa: B027 (most data sets have nothing to download)
        """Download the files that are missing under `root`.

        The harness calls this once before the first trial; `load` never downloads.

        Raises:
            DataMissingError: if a download fails; the message says which files are missing, where, and how to get them.
        """

    @abstractmethod
    def load(self, root: Path, generator: torch.Generator) -> Splits:
        """Read the data.

        Args:
            root: the folder of all data sets.
            generator: the only source of randomness, for example for label noise; a CPU generator.

        Raises:
            DataMissingError: if files are missing.
            DataError: if their contents are not valid.
        """
