"""What every data set keeps to. Shapes, types and label ranges are checked by `Splits` when it is made."""

from functools import cached_property
from pathlib import Path

import torch

from softal_bench.conformance.rules import (
    NotApplicable,
    Rule,
    require,
    require_global_generators_untouched,
    require_settings_untouched,
)
from softal_bench.contracts import Dataset, Examples, Splits
from softal_bench.contracts.dataset import count_overlap
from softal_bench.errors import DataMissingError


class Loaded:
    """A data set with the folder that its files are under."""

    def __init__(self, dataset: Dataset, data_root: Path) -> None:
        self.dataset = dataset
        self.data_root = data_root

    @cached_property
    def splits(self) -> Splits:
        """The data; checks that only read share them."""
        return self.load()

    def load(self, seed: int = 0) -> Splits:
        """The data again, with a generator of this seed.

        Raises:
            NotApplicable: if its files are not there.
        """
        try:
            return self.dataset.load(self.data_root, torch.Generator().manual_seed(seed))
        except DataMissingError as error:
            raise NotApplicable(str(error)) from error


def _loads(loaded: Loaded) -> None:
    splits = loaded.splits
    require(isinstance(splits, Splits), f"expected Splits, got {type(splits).__name__}")
    for examples in (splits.train, splits.test):  # what Examples checks may have been written to since
        Examples(examples.inputs, examples.labels, examples.num_classes)


def _provenance(loaded: Loaded) -> None:
    provenance, size = loaded.splits.provenance, len(loaded.splits.train)
    sound = bool(provenance.name) and len(provenance.sha256) == 64 and provenance.size == size
    require(sound, f"expected a name, the {size} training examples and a SHA-256, got {provenance}")


def _finite(loaded: Loaded) -> None:
    for name, examples in (("train", loaded.splits.train), ("test", loaded.splits.test)):
        unusable = (~examples.inputs.flatten(1).isfinite().all(dim=1)).nonzero().flatten().tolist()
        require(not unusable, f"{name}: expected finite inputs, got others in examples {unusable[:5]}")


def _all_classes(loaded: Loaded) -> None:
    train = loaded.splits.train
    missing = set(range(train.num_classes)) - set(train.labels.tolist())
    require(not missing, f"train: expected examples of {train.num_classes} classes, got none of {sorted(missing)}")


def _repeatable(loaded: Loaded) -> None:
    before = _tensors(loaded.splits)
    copies = {name: None if tensor is None else tensor.clone() for name, tensor in before.items()}
    again = _tensors(loaded.load())
    different = [name for name, tensor in copies.items() if not _same(tensor, again[name])]
    require(not different, f"two loads with generators of the same state differ in {', '.join(different)}")


def _global_generators(loaded: Loaded) -> None:
    loaded.splits  # noqa: B018 (the first load may import what seeds itself)
    require_global_generators_untouched(loaded.load)


def _global_settings(loaded: Loaded) -> None:
    require_settings_untouched(loaded.load)


def _overlap(loaded: Loaded) -> None:
    splits = loaded.splits
    found = count_overlap(splits.train.inputs, splits.test.inputs)
    require(
        found <= splits.overlap,
        f"{found} of {len(splits.test)} test examples have the input of a training example; {splits.overlap} are "
        "declared (Splits.overlap)",
    )


def _copies(loaded: Loaded) -> None:
    source_N, labels = loaded.splits.source_N, loaded.splits.train.labels
    if source_N is None:
        raise NotApplicable("it repeats no examples")
    label_of = torch.full((int(source_N.max()) + 1,), -1)
    label_of[source_N] = labels
    wrong = (label_of[source_N] != labels).nonzero().flatten().tolist()
    require(not wrong, f"expected the label of its copies, got another in examples {wrong[:5]}")


def _tensors(splits: Splits) -> dict[str, torch.Tensor | None]:
    parts = {"train": splits.train, "test": splits.test}
    tensors: dict[str, torch.Tensor | None] = {f"{name} inputs": part.inputs for name, part in parts.items()}
    return tensors | {f"{name} labels": part.labels for name, part in parts.items()} | {"source_N": splits.source_N}


def _same(first: torch.Tensor | None, second: torch.Tensor | None) -> bool:
    return first is second if first is None or second is None else torch.equal(first, second)


RULES: tuple[Rule[Loaded], ...] = (
    Rule("loads", "loads splits whose shapes, types and labels fit together", _loads),
    Rule("provenance", "says where it comes from", _provenance),
    Rule("finite", "inputs are finite", _finite),
    Rule("all_classes", "every class is among the training examples", _all_classes),
    Rule("repeatable", "the same generator state gives the same bytes", _repeatable),
    Rule("global_generators", "touches no global generator", _global_generators),
    Rule("global_settings", "leaves the settings of the process as they were", _global_settings),
    Rule("overlap", "test and training set overlap no more than declared", _overlap),
    Rule("copies", "copies of an example have its label", _copies),
)
