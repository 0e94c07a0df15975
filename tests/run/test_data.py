"""Loading data: running out of memory gives a message, whichever library reports it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from softal_bench.contracts import Dataset, Splits
from softal_bench.errors import DataError
from softal_bench.registry import Plugin
from softal_bench.trial.data import load_if_there


def no_memory() -> None:
    raise MemoryError


@dataclass(frozen=True)
class Greedy(Dataset):
    """A data set that needs more memory than any machine has."""

    allocate: Callable[[], object]

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        self.allocate()
        raise AssertionError("the memory was there")


@pytest.mark.parametrize(
    ("allocate", "needed"),
    [
        (lambda: np.ones(2**59, np.uint8), "Unable to allocate 512. PiB"),
        (lambda: torch.empty(2**59, dtype=torch.uint8), "you tried to allocate 576460752303423488 bytes"),
        (no_memory, "MemoryError"),
    ],
    ids=["numpy", "torch", "python"],
)
def test_data_too_large_for_memory_are_rejected_with_the_size_needed(
    tmp_path: Path, allocate: Callable[[], object], needed: str
) -> None:
    plugin: Plugin[Dataset] = Plugin("datasets", "greedy", {}, "greedy", Greedy(allocate), "1", ())
    message = f"data set 'greedy': .*{needed}.*; memory ran out .* GiB available .*; use fewer examples"
    with pytest.raises(DataError, match=message):
        load_if_there(plugin, tmp_path, torch.Generator(), fetch=False, notes=[])
