"""A small sound data set, and variants with one flaw each, named after the rule that they break."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch

from softal_bench.contracts import Dataset, Examples, Provenance, Splits

_CALLS = itertools.count(1)


@dataclass(frozen=True)
class Made(Dataset):
    """Two copies of eight points of two classes, and four points to test."""

    flaw: str = ""

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        if self.flaw == "global_generators":
            torch.rand(1)
        if self.flaw == "global_settings":
            torch.set_float32_matmul_precision("medium")
        once, test = torch.randn(8, 3, generator=generator), torch.randn(4, 3, generator=generator)
        train = once.repeat(2, 1)
        labels = torch.arange(8).repeat(2) % 2
        if self.flaw == "repeatable":
            train += next(_CALLS) * 1e-3
        if self.flaw == "finite":
            train[3, 1] = torch.inf
        if self.flaw == "overlap":
            test[2] = train[5]
        if self.flaw == "all_classes":
            labels = torch.zeros_like(labels)
        if self.flaw == "copies":
            labels[9] = 1 - labels[9]
        splits = Splits(
            Examples(train, labels, 2),
            Examples(test, torch.tensor([0, 1, 0, 1]), 2),
            Provenance("made", 3 if self.flaw == "provenance" else len(train), "0" * 64),
            torch.arange(8).repeat(2),
        )
        if self.flaw == "loads":
            splits.test.labels[0] = 7
        return splits
