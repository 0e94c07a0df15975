"""How much memory the combined evaluation works in, so that its tables stay in a cache, and where they lie."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Budget:
    """What an evaluation may take at once.

    Attributes:
        inputs: how many inputs the trunk takes.
        table_bytes: size of everything that is stored between the steps of an evaluation.
        batch: how many matrix products of like shape are one call.
    """

    inputs: int
    table_bytes: int
    batch: int


# CPU, measured with the LeNet: larger tables fall out of the caches, smaller ones make small products. CUDA, not
# measured: large enough that starting a kernel should cost little beside running it.
_BUDGETS = {"cpu": Budget(64, 2**25, 16), "cuda": Budget(4096, 2**31, 64)}


def budget_of(device: torch.device) -> Budget:
    """What suits a type of device; other accelerators are taken to be like CUDA."""
    return _BUDGETS.get(device.type, _BUDGETS["cuda"])


def even_parts(tensor: Tensor, most: int) -> Iterator[Tensor]:
    """Split along dimension 0 into parts of at most `most`, no two of which differ by more than one in size."""
    if len(tensor):
        yield from torch.tensor_split(tensor, math.ceil(len(tensor) / most))


class Workspace:
    """Tables that are written again for each part of the inputs; fresh memory for each would cost page faults."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._tables: dict[str, Tensor] = {}

    def table(self, name: str, *shape: int) -> Tensor:
        """A contiguous table with values that mean nothing, of the type and device that the workspace is for."""
        size = math.prod(shape)
        if name not in self._tables or len(self._tables[name]) < size:
            self._tables[name] = self._like.new_empty(size)
        return self._tables[name][:size].view(shape)
