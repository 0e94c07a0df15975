"""The rules for data sets. `Splits` checks shapes, dtypes and the range of labels when it is constructed."""

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


class LoadedDataset:
    """A data set with the folder of its files."""

    def __init__(self, dataset: Dataset, data_root: Path) -> None:
        self.dataset = dataset
        self.data_root = data_root

    @cached_property
    def splits(self) -> Splits:
        """The data, which are shared by the rules that do not change them."""
        return self.load()

    def load(self, seed: int = 0) -> Splits:
        """Load the data again, with a generator of this seed.

        Raises:
            NotApplicable: if the files are missing.
        """
        try:
            return self.dataset.load(self.data_root, torch.Generator().manual_seed(seed))
        except DataMissingError as error:
            raise NotApplicable(str(error)) from error


def _loads(loaded: LoadedDataset) -> None:
    splits = loaded.splits
    require(isinstance(splits, Splits), f"expected Splits, got {type(splits).__name__}")
    for examples in (splits.train, splits.test):
        # Check them again, because `load` may have changed the tensors after it constructed Examples.
        Examples(examples.inputs, examples.labels, examples.num_classes)


def _provenance(loaded: LoadedDataset) -> None:
    provenance, size = loaded.splits.provenance, len(loaded.splits.train)
    sound = bool(provenance.name) and len(provenance.sha256) == 64 and provenance.size == size
    require(sound, f"expected a name, the size of the training set ({size}) and a SHA-256, got {provenance}")


def _finite(loaded: LoadedDataset) -> None:
    for name, examples in (("train", loaded.splits.train), ("test", loaded.splits.test)):
        unusable = (~examples.inputs.flatten(1).isfinite().all(dim=1)).nonzero().flatten().tolist()
        require(not unusable, f"{name}: expected finite inputs, got NaN or infinity in examples {unusable[:5]}")


def _all_classes(loaded: LoadedDataset) -> None:
    train = loaded.splits.train
    missing = sorted(set(range(train.num_classes)) - set(train.labels.tolist()))
    require(not missing, f"train: expected examples of all {train.num_classes} classes, got no examples of {missing}")


def _repeatable(loaded: LoadedDataset) -> None:
    before = _tensors(loaded.splits)
    copies = {name: None if tensor is None else tensor.clone() for name, tensor in before.items()}
    again = _tensors(loaded.load())
    different = [name for name, tensor in copies.items() if not _same(tensor, again[name])]
    require(not different, f"two loads with generators of the same state differ in {', '.join(different)}")


def _tensors(splits: Splits) -> dict[str, torch.Tensor | None]:
    parts = {"train": splits.train, "test": splits.test}
    tensors: dict[str, torch.Tensor | None] = {f"{name} inputs": part.inputs for name, part in parts.items()}
    return tensors | {f"{name} labels": part.labels for name, part in parts.items()} | {"source_N": splits.source_N}


def _same(first: torch.Tensor | None, second: torch.Tensor | None) -> bool:
    return first is second if first is None or second is None else torch.equal(first, second)


def _global_generators(loaded: LoadedDataset) -> None:
    loaded.splits  # noqa: B018 (the first load may import a module that draws from a global generator)
    require_global_generators_untouched(loaded.load)


def _global_settings(loaded: LoadedDataset) -> None:
    require_settings_untouched(loaded.load)


def _overlap(loaded: LoadedDataset) -> None:
    splits = loaded.splits
    found = count_overlap(splits.train.inputs, splits.test.inputs)
    require(
        found <= splits.overlap,
        f"{found} of {len(splits.test)} test inputs are training inputs too, but only {splits.overlap} are declared "
        "(Splits.overlap)",
    )


def _copies(loaded: LoadedDataset) -> None:
    source_N, labels = loaded.splits.source_N, loaded.splits.train.labels
    if source_N is None:
        raise NotApplicable("the data set does not repeat examples")
    label_of = torch.full((int(source_N.max()) + 1,), -1)
    label_of[source_N] = labels
    wrong = (label_of[source_N] != labels).nonzero().flatten().tolist()
    require(not wrong, f"expected all copies of an example to have the same label, got another in examples {wrong[:5]}")


RULES: tuple[Rule[LoadedDataset], ...] = (
    Rule("loads", "loads splits with consistent shapes, dtypes and labels", _loads),
    Rule("provenance", "reports its name, size and SHA-256", _provenance),
    Rule("finite", "has finite inputs", _finite),
    Rule("all_classes", "has training examples of every class", _all_classes),
    Rule("repeatable", "loads the same bytes with the same generator state", _repeatable),
    Rule("global_generators", "does not use a global random generator", _global_generators),
    Rule("global_settings", "does not change the settings of the process", _global_settings),
    Rule("overlap", "shares no more inputs between training and test set than declared", _overlap),
    Rule("copies", "gives all copies of an example the same label", _copies),
)
