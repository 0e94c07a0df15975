"""Pools that hold next to nothing and give the same log-probs at every reading."""

from collections.abc import Iterator

import torch
from torch import Tensor

from softal_bench.contracts import Pool
from softal_bench.machine.stopwatch import Stopwatch


class _MadePool(Pool):
    """A pool whose log-probs are made when they are read, timed as the stopwatch's phase "make"."""

    def __init__(self, shape: tuple[int, int, int], device: torch.device, stopwatch: Stopwatch) -> None:
        self._shape = shape
        self._device = device
        self._stopwatch = stopwatch

    @property
    def size(self) -> int:
        return self._shape[0]

    @property
    def num_samples(self) -> int:
        return self._shape[1]

    @property
    def num_classes(self) -> int:
        return self._shape[2]

    @property
    def device(self) -> torch.device:
        return self._device


class SyntheticPool(_MadePool):
    """log softmax of 3 a_nc + b_nkc with a, b standard normal, made 4096 points at a time from a seed of their own."""

    _CHUNK = 4096

    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, self.size, self._CHUNK):
            yield self._chunk(start)

    def log_probs_at(self, positions: Tensor) -> Tensor:
        found = torch.empty(len(positions), *self._shape[1:], device=self.device)
        for start in set((positions // self._CHUNK * self._CHUNK).tolist()):
            inside = (positions >= start) & (positions < start + self._CHUNK)
            found[inside] = self._chunk(start)[1][positions[inside] - start]
        return found

    def _chunk(self, start: int) -> tuple[Tensor, Tensor]:
        with self._stopwatch.phase("make"):
            size = min(self._CHUNK, self.size - start)
            generator = torch.Generator().manual_seed(start)
            logits_n_K_C = torch.randn(size, *self._shape[1:], generator=generator)
            logits_n_K_C += 3 * torch.randn(size, 1, self.num_classes, generator=generator)
            positions_n = torch.arange(start, start + size, device=self.device)
            return positions_n, logits_n_K_C.to(self.device).log_softmax(dim=-1)


class NoisyCopies(_MadePool):
    """The points of a tensor over and over up to N; from the second time on with noise of 0.1 on each log-prob.

    A few thousand rows of noise serve all points: which row a position gets is fixed, and copies of a point get
    different rows.
    """

    _CHUNK, _ROWS, _NOISE = 1024, 4096, 0.1

    def __init__(self, log_probs_n_K_C: Tensor, size: int, stopwatch: Stopwatch) -> None:
        _, num_samples, num_classes = log_probs_n_K_C.shape
        super().__init__((size, num_samples, num_classes), log_probs_n_K_C.device, stopwatch)
        self._log_probs_n_K_C = log_probs_n_K_C
        generator = torch.Generator().manual_seed(0)
        noise = self._NOISE * torch.randn(self._ROWS, num_samples, num_classes, generator=generator)
        self._noise_R_K_C = noise.to(log_probs_n_K_C)

    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for positions_n in torch.split(torch.arange(self.size, device=self.device), self._CHUNK):
            yield positions_n, self.log_probs_at(positions_n)

    def log_probs_at(self, positions: Tensor) -> Tensor:
        with self._stopwatch.phase("make"):
            made = self._log_probs_n_K_C[positions % len(self._log_probs_n_K_C)]
            copied = positions >= len(self._log_probs_n_K_C)
            made[copied] += self._noise_R_K_C[positions[copied] * 7919 % self._ROWS]
            return made.log_softmax(dim=-1)
