import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from softal_bench.contracts import Dataset, Provenance, Splits
from softal_bench.contracts.dataset import count_overlap


@dataclass(frozen=True)
class Imbalanced(Dataset):
    """Another data set with a long tail: each class has fewer training examples than the previous class.

    Of the n_c training examples of class c, n_c ratio^(-c / (C - 1)) are kept, rounded to the nearest whole number and
    at least one. They are drawn with the generator and keep their order. If all classes had the same size, the first
    class is `ratio` times as large as the last. The test set is not changed.

    Validation sets are drawn from the training examples, so they also have the long tail. If the wrapped data set has
    copies of examples, each copy is dropped independently; use this inside `repeated` to drop examples with all their
    copies.
    """

    of: Dataset = field(metadata={"meaning": "the data set of which examples are left out"})
    ratio: float = field(
        default=10.0, metadata={"meaning": "how many times the first class is as large as the last, at least 1"}
    )

    citation = "Cui, Jia, Lin, Song and Belongie 2019, arXiv:1901.05555 (long-tailed CIFAR)"

    def __post_init__(self) -> None:
        if not 1 <= self.ratio < math.inf:
            raise ValueError(f"ratio is {self.ratio}; it must be at least 1 and finite")

    def prepare(self, root: Path) -> None:
        self.of.prepare(root)

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        splits = self.of.load(root, generator)
        kept = self._kept(splits.train.labels, splits.train.num_classes, generator)
        train = splits.train.at(kept)
        name = f"{splits.provenance.name}, imbalanced {self.ratio:g}:1"
        provenance = Provenance(name, len(train), splits.provenance.sha256)
        source_n = None if splits.source_N is None else splits.source_N[kept]
        overlap = count_overlap(train.inputs, splits.test.inputs) if splits.overlap else 0
        return Splits(train, splits.test, provenance, source_n, overlap)

    def _kept(self, labels_N: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
        """Draw the indices of the examples that are kept, and return them in increasing order."""
        shuffled = torch.randperm(len(labels_N), generator=generator)
        kept = []
        for label in range(num_classes):
            of_class = shuffled[labels_N[shuffled] == label]
            fraction = self.ratio ** (-label / max(num_classes - 1, 1))
            kept.append(of_class[: max(1, round(len(of_class) * fraction))])
        return torch.cat(kept).sort().values
