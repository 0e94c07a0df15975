"""The pool over stored log-probs, for tests, conformance, notebooks and cost suites."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from softal_bench.contracts import Candidates, LabelledSet, Pool, Progress

T = TypeVar("T")


class TensorPool(Pool):
    """A pool over stored log-probs.

    Args:
        log_probs_N_K_C: natural logarithms, float32 or float64; neither copied nor written to.
        chunk_size: the number of points that `log_probs` yields at a time.
        indices_N: the indices of the points in the data set, LongTensor [N] in increasing order; if None, 0 .. N-1.
        progress: the state of the trial; if None, the first round with the labelled set, and batches of one point.
        embeddings_N_D, features_N_F, inputs_N, labelled, head, targets, evaluation: optional attributes of the pool;
            see `Pool`. `LabelledTensors` is a labelled set of tensors.
    """

    def __init__(  # noqa: PLR0913 (each is one thing that a pool offers)
        self,
        log_probs_N_K_C: Tensor,
        chunk_size: int = 4096,
        *,
        indices_N: Tensor | None = None,
        progress: Progress | None = None,
        embeddings_N_D: Tensor | None = None,
        features_N_F: Tensor | None = None,
        inputs_N: Tensor | None = None,
        labelled: LabelledSet | None = None,
        head: Callable[[Tensor], Tensor] | None = None,
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
        self._indices_N = super().indices_N if indices_N is None else indices_N
        num_labelled = 0 if labelled is None else labelled.size
        self._progress = progress or Progress(0, num_labelled, num_labelled + self.size, 1)
        self._embeddings_N_D = embeddings_N_D
        self._features_N_F = features_N_F
        self._inputs_N = inputs_N
        self._labelled = labelled
        self._head = head
        self._targets = targets
        self._evaluation = evaluation
        self._kept: dict[str, Any] = {}

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

    @property
    def indices_N(self) -> Tensor:
        return self._indices_N

    @property
    def progress(self) -> Progress:
        return self._progress

    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for positions_n in torch.split(torch.arange(self.size, device=self.device), self._chunk_size):
            first = int(positions_n[0])
            yield positions_n, self._log_probs_N_K_C[first : first + len(positions_n)]

    def log_probs_at(self, positions: Tensor) -> Tensor:
        return self._log_probs_N_K_C[positions]

    def once(self, name: str, compute: Callable[[Candidates, torch.Generator], T]) -> T:
        if name not in self._kept:
            self._kept[name] = compute(_Points(self), torch.Generator().manual_seed(0))
        kept: T = self._kept[name]
        return kept

    def embeddings(self) -> Tensor:
        return super().embeddings() if self._embeddings_N_D is None else self._embeddings_N_D

    def features(self) -> Tensor:
        return super().features() if self._features_N_F is None else self._features_N_F

    def inputs_at(self, positions: Tensor) -> Tensor:
        return super().inputs_at(positions) if self._inputs_N is None else self._inputs_N[positions]

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        return super().head(embeddings_n_D) if self._head is None else self._head(embeddings_n_D)

    @property
    def labelled(self) -> LabelledSet:
        return super().labelled if self._labelled is None else self._labelled

    @property
    def targets(self) -> Pool:
        return super().targets if self._targets is None else self._targets

    @property
    def evaluation(self) -> Pool:
        return super().evaluation if self._evaluation is None else self._evaluation


class LabelledTensors(LabelledSet):
    """A labelled set over stored tensors.

    Args:
        labels_L, indices_L: LongTensor [L].
        log_probs_L_K_C, embeddings_L_D, features_L_F: what else it offers.
    """

    def __init__(
        self,
        labels_L: Tensor,
        indices_L: Tensor,
        *,
        log_probs_L_K_C: Tensor | None = None,
        embeddings_L_D: Tensor | None = None,
        features_L_F: Tensor | None = None,
    ) -> None:
        self._labels_L = labels_L
        self._indices_L = indices_L
        self._log_probs_L_K_C = log_probs_L_K_C
        self._embeddings_L_D = embeddings_L_D
        self._features_L_F = features_L_F

    @property
    def size(self) -> int:
        return len(self._labels_L)

    @property
    def indices_L(self) -> Tensor:
        return self._indices_L

    @property
    def labels_L(self) -> Tensor:
        return self._labels_L

    def log_probs(self) -> Tensor:
        if self._log_probs_L_K_C is None:
            raise LookupError("this labelled set was made without log-probs; pass log_probs_L_K_C")
        return self._log_probs_L_K_C

    def embeddings(self) -> Tensor:
        return super().embeddings() if self._embeddings_L_D is None else self._embeddings_L_D

    def features(self) -> Tensor:
        return super().features() if self._features_L_F is None else self._features_L_F


class _Points(Candidates):
    """The points of a pool over stored tensors, as the candidates of a trial."""

    def __init__(self, pool: TensorPool) -> None:
        self._pool = pool

    @property
    def indices_M(self) -> Tensor:
        return self._pool.indices_N

    def features(self) -> Tensor:
        return self._pool.features()

    def inputs_at(self, positions: Tensor) -> Tensor:
        return self._pool.inputs_at(positions)
