"""What every data set keeps to. Shapes, types and label ranges are checked by `Splits` when it is made."""

from pathlib import Path

import torch

from softal_bench.conformance.result import Result, require, run_checks
from softal_bench.contracts import Dataset, Splits
from softal_bench.errors import DataMissingError


def check_dataset(dataset: Dataset, data_root: Path) -> list[Result]:
    """Check a data set; one result a rule.

    Raises:
        DataMissingError: if its files are not under `data_root`.
    """
    try:
        _load(dataset, data_root)
    except DataMissingError:
        raise
    except Exception:
        pass  # the first check tells it
    return run_checks(
        {
            "loads splits that fit together": _loads,
            "says where it comes from": _has_provenance,
            "inputs are finite and every class is there": _is_usable,
            "the same generator state gives the same bytes": _repeats,
        },
        dataset,
        data_root,
    )


def _loads(dataset: Dataset, data_root: Path) -> None:
    splits = _load(dataset, data_root)
    require(isinstance(splits, Splits), f"expected Splits, got {type(splits).__name__}")


def _has_provenance(dataset: Dataset, data_root: Path) -> None:
    splits = _load(dataset, data_root)
    provenance = splits.provenance
    sound = bool(provenance.name) and len(provenance.sha256) == 64 and provenance.size == len(splits.train)
    require(sound, f"expected a name, the {len(splits.train)} training examples and a SHA-256, got {provenance}")


def _is_usable(dataset: Dataset, data_root: Path) -> None:
    splits = _load(dataset, data_root)
    for name, examples in (("train", splits.train), ("test", splits.test)):
        require(bool(examples.inputs.isfinite().all()), f"{name}: inputs that are not finite")
    missing = set(range(splits.train.num_classes)) - set(splits.train.labels.tolist())
    require(not missing, f"train: no example of class {sorted(missing)}")


def _repeats(dataset: Dataset, data_root: Path) -> None:
    first, second = _load(dataset, data_root), _load(dataset, data_root)
    same = torch.equal(first.train.inputs, second.train.inputs) and torch.equal(first.test.labels, second.test.labels)
    require(same, "two loads with generators of the same state differ")


def _load(dataset: Dataset, data_root: Path) -> Splits:
    return dataset.load(data_root, torch.Generator().manual_seed(0))
