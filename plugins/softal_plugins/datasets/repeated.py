import math
from dataclasses import dataclass, field
from pathlib import Path

import torch

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.contracts.dataset import count_overlap, require_memory

_COPIES_HELD = 2  # tensors of all copies in memory at a time: the copies, and the noise that is added to them


@dataclass(frozen=True)
class Repeated(Dataset):
    """Another data set whose training examples are repeated, each copy with its own noise.

    Copies are ordered in blocks: examples i, i + n, i + 2n, ... are copies of the same example. Noise N(0, noise_std^2)
    is added to every copy, including the first, in the scale of the inputs of the wrapped data set. It is drawn once
    from the generator. Fixed features and the test set have no noise. RepeatedMNIST is
    `repeated: {of: mnist, times: 2, noise_std: 0.1}`.
    """

    of: Dataset = field(metadata={"meaning": "the data set whose training examples are repeated"})
    times: int = field(default=2, metadata={"meaning": "how many copies there are of each"})
    noise_std: float = field(
        default=0.1, metadata={"meaning": "standard deviation of each copy's noise, in the scale of the inputs"}
    )

    citation = "Kirsch, van Amersfoort and Gal 2019, arXiv:1906.08158, section 4.2"

    def __post_init__(self) -> None:
        if self.times < 1:
            raise ValueError(f"times is {self.times}; need at least 1")
        if not 0 <= self.noise_std < math.inf:
            raise ValueError(f"noise_std is {self.noise_std}; it must be at least 0 and finite")

    def prepare(self, root: Path) -> None:
        self.of.prepare(root)

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        splits = self.of.load(root, generator)
        once = splits.train
        copies_bytes = self.times * once.inputs.nbytes
        copies = f"repeated: times is {self.times}, and so many copies of {len(once)} examples"
        require_memory(_COPIES_HELD * copies_bytes, copies, "lower times")
        inputs = once.inputs.repeat(self.times, *[1] * (once.inputs.ndim - 1))
        if self.noise_std > 0:
            inputs.add_(torch.randn(inputs.shape, generator=generator), alpha=self.noise_std)
        features = None if once.fixed_features is None else once.fixed_features.repeat(self.times, 1)
        train = Examples(inputs, once.labels.repeat(self.times), once.num_classes, features)
        name = f"{splits.provenance.name} x {self.times}, noise {self.noise_std:g}"
        source_n = torch.arange(len(once)) if splits.source_N is None else splits.source_N
        provenance = Provenance(name, len(train), splits.provenance.sha256)
        overlap = count_overlap(inputs, splits.test.inputs) if splits.overlap else 0
        return Splits(train, splits.test, provenance, source_n.repeat(self.times), overlap)
