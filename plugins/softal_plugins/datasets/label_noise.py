from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.errors import DataError


@dataclass(frozen=True)
class LabelNoise(Dataset):
    """Another data set with wrong labels: with probability `rate`, a training label is replaced by another class.

    The noise is symmetric: p(y' | y) = 1 - rate for y' = y, and rate / (C - 1) for each other class. It is drawn once
    from the generator. For the same state of the generator, a higher rate changes the same labels and additional ones.
    If the wrapped data set has copies of an example, noise is drawn once for their source, so all copies have the same
    label. The test set has no noise.

    Validation sets are drawn from the training examples, so early stopping also uses noisy labels.

    Raises:
        DataError: if there is only one class, so that no label can be changed.
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
        labels = (once.labels + shift_N) % once.num_classes
        train = Examples(once.inputs, labels, once.num_classes, once.fixed_features)
        name = f"{splits.provenance.name}, label noise {self.rate:g}"
        provenance = Provenance(name, len(train), splits.provenance.sha256)
        return Splits(train, splits.test, provenance, splits.source_N, splits.overlap)

    def _shifts(self, size: int, source_N: Tensor | None, num_classes: int, generator: torch.Generator) -> Tensor:
        """Draw the shift of each label: 0 if it does not change, otherwise 1 to C - 1 with equal probability."""
        source_N = torch.arange(size) if source_N is None else source_N
        sources, number_N = torch.unique(source_N, return_inverse=True)
        moved = torch.rand(len(sources), dtype=torch.float64, generator=generator) < self.rate
        shift = torch.randint(1, num_classes, (len(sources),), generator=generator)
        return (moved * shift)[number_N]
