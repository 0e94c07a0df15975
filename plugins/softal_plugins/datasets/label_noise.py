from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.errors import DataError


@dataclass(frozen=True)
class LabelNoise(Dataset):
    """Another data set with wrong labels: each training label is, with probability `rate`, another class.

    Symmetric noise: p(y' | y) = 1 - rate for y' = y, and rate / (C - 1) for each other class. It is drawn once from the
    generator; at one state of the generator a higher rate makes the same labels wrong and more. Copies of one example,
    where a wrapped data set made some, have one label, so noise is drawn for their source. The test set stays clean.

    Validation sets are drawn from the training examples, so early stopping goes by noisy labels too.

    Raises:
        DataError: if there is one class only, so that no label can be another.
    """

    of: Dataset = field(metadata={"meaning": "the data set whose training labels are made wrong"})
    rate: float = field(default=0.2, metadata={"meaning": "the probability that a label is another class, 0 to 1"})

    citation = (
        "Angluin and Laird 1988, Learning from Noisy Examples; of many classes: Patrini et al. 2017, arXiv:1609.03683"
    )

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate is {self.rate}; it must be a probability, 0 to 1")

    def prepare(self, root: Path) -> None:
        self.of.prepare(root)

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        splits = self.of.load(root, generator)
        once = splits.train
        if once.num_classes < 2:
            raise DataError(f"{splits.provenance.name}: with {once.num_classes} class no label can be another")
        shift_N = self._shifts(len(once), splits.source_N, once.num_classes, generator)
        train = Examples(once.inputs, (once.labels + shift_N) % once.num_classes, once.num_classes)
        name = f"{splits.provenance.name}, label noise {self.rate:g}"
        provenance = Provenance(name, len(train), splits.provenance.sha256)
        return Splits(train, splits.test, provenance, splits.source_N, splits.overlap)

    def _shifts(self, size: int, source_N: Tensor | None, num_classes: int, generator: torch.Generator) -> Tensor:
        """By how many classes each label moves on: 0 where it stays, else 1 to C - 1 with equal probability."""
        source_N = torch.arange(size) if source_N is None else source_N
        sources, number_N = torch.unique(source_N, return_inverse=True)
        moved = torch.rand(len(sources), dtype=torch.float64, generator=generator) < self.rate
        shift = torch.randint(1, num_classes, (len(sources),), generator=generator)
        return (moved * shift)[number_N]
