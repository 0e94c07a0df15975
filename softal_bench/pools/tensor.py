"""The pool over stored log-probs, for tests, conformance, notebooks and cost suites."""

from collections.abc import Iterator

import torch
from torch import Tensor

from softal_bench.contracts import Pool


class TensorPool(Pool):
    """A pool over stored log-probs.

    Args:
        log_probs_N_K_C: natural logarithms, float32 or float64; neither copied nor written to.
        chunk_size: the number of points that `log_probs` yields at a time.
        embeddings_N_D, labelled_L_D, targets, evaluation: optional attributes of the pool; see `Pool`.
    """

    def __init__(
        self,
        log_probs_N_K_C: Tensor,
        chunk_size: int = 4096,
        *,
        embeddings_N_D: Tensor | None = None,
        labelled_L_D: Tensor | None = None,
        targets: Pool | None = None,
        evaluation: Pool | None = None,
    ) -> None:
        if log_probs_N_K_C.ndim != 3 or not log_probs_N_K_C.is_floating_point():
            raise ValueError(
                f"log_probs_N_K_C has shape {tuple(log_probs_N_K_C.shape)} and type {log_probs_N_K_C.dtype}; "
                f"need three dimensions, points x posterior samples x classes, of a floating type"
            )
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size}; need at least 1")
        self._log_probs_N_K_C = log_probs_N_K_C
        self._chunk_size = chunk_size
        self._embeddings_N_D = embeddings_N_D
        self._labelled_L_D = labelled_L_D
        self._targets = targets
        self._evaluation = evaluation

    @property
    def size(self) -> int:
        return self._log_probs_N_K_C.shape[0]

    @property
    def num_samples(self) -> int:
        return self._log_probs_N_K_C.shape[1]

    @property
    def num_classes(self) -> int:
        return self._log_probs_N_K_C.shape[2]

    @property
    def device(self) -> torch.device:
        return self._log_probs_N_K_C.device

    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for positions_n in torch.split(torch.arange(self.size, device=self.device), self._chunk_size):
            first = int(positions_n[0])
            yield positions_n, self._log_probs_N_K_C[first : first + len(positions_n)]

    def log_probs_at(self, positions: Tensor) -> Tensor:
        return self._log_probs_N_K_C[positions]

    def embeddings(self) -> Tensor:
        return super().embeddings() if self._embeddings_N_D is None else self._embeddings_N_D

    @property
    def labelled(self) -> Tensor:
        return super().labelled if self._labelled_L_D is None else self._labelled_L_D

    @property
    def targets(self) -> Pool:
        return super().targets if self._targets is None else self._targets

    @property
    def evaluation(self) -> Pool:
        return super().evaluation if self._evaluation is None else self._evaluation
