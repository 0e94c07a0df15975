"""The two pools: over a posterior (what a trial acquires from) and over a stored tensor (tests, conformance, cost).

The first is also the one place where positions in the pool become indices in the data set.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from softal_bench.contracts import Examples, FittedModel, Pool, Posterior
from softal_bench.errors import SelectionError
from softal_bench.timing import Stopwatch


class TensorPool(Pool):
    """A pool over stored log-probs.

    Args:
        log_probs_N_K_C: natural logarithms, float32 or float64; not copied, not written to.
        chunk_size: how many points `log_probs` yields at a time.
        embeddings_N_D, labelled_L_D, targets, evaluation: what else the pool offers; see `Pool`.
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


class PosteriorPool(Pool):
    """The unlabelled part of a data set under a posterior; predicts when it is read, a chunk at a time.

    Args:
        fitted: the model, for embeddings.
        draw: draws its K posterior samples; called once, when they are first needed, and counted as prediction.
        train: the examples that pool and labelled set are part of, on the device; of the pool only inputs are read.
        indices_N: which of them are in the pool, in increasing order; position i is index indices_N[i].
        labelled_indices: which of them are labelled.
        stopwatch: seconds spent predicting are counted as its phase "predict".
        evaluate: makes the same pool under the evaluation posterior; called once, when it is first needed, and counted
            as the stopwatch's phase "distil".

    Attributes:
        chunk_size: how many inputs are predicted at a time.
    """

    chunk_size = 512

    def __init__(
        self,
        fitted: FittedModel,
        draw: Callable[[], Posterior],
        train: Examples,
        indices_N: Tensor,
        labelled_indices: Sequence[int],
        stopwatch: Stopwatch,
        evaluate: Callable[[], Pool] | None = None,
    ) -> None:
        self._fitted = fitted
        self._draw = draw
        self._drawn: Posterior | None = None
        self._train = train
        self._indices_N = indices_N
        self._labelled_indices = labelled_indices
        self._stopwatch = stopwatch
        self._evaluate = evaluate
        self._evaluation: Pool | None = None

    @property
    def size(self) -> int:
        return len(self._indices_N)

    @property
    def num_samples(self) -> int:
        return self._posterior.num_samples

    @property
    def num_classes(self) -> int:
        return self._train.num_classes

    @property
    def device(self) -> torch.device:
        return self._train.inputs.device

    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for positions_n in torch.split(torch.arange(self.size, device=self.device), self.chunk_size):
            yield positions_n, self._predicted(positions_n)

    def log_probs_at(self, positions: Tensor) -> Tensor:
        chunks = [self._predicted(positions_n) for positions_n in torch.split(positions, self.chunk_size)]
        return torch.cat(chunks)

    def embeddings(self) -> Tensor:
        return self._embedded(self._indices_N)

    @property
    def labelled(self) -> Tensor:
        return self._embedded(torch.tensor(self._labelled_indices, device=self.device))

    @property
    def evaluation(self) -> Pool:
        if self._evaluate is None:
            return super().evaluation
        if self._evaluation is None:
            with self._stopwatch.phase("distil"):
                self._evaluation = self._evaluate()
        return self._evaluation

    def indices(self, positions: Tensor) -> list[int]:
        """The indices in the data set of positions in this pool.

        Raises:
            SelectionError: if positions are no integers, repeat, or lie outside 0 .. N-1.
        """
        if positions.ndim != 1 or positions.dtype not in (torch.int64, torch.int32):
            raise SelectionError(
                f"positions are {positions.dtype} of shape {tuple(positions.shape)}; need int64 of shape [B]"
            )
        chosen = positions.tolist()
        outside = [position for position in chosen if not 0 <= position < self.size]
        if outside:
            raise SelectionError(f"position {outside[0]} is outside the pool; allowed are 0 to {self.size - 1}")
        if len(set(chosen)) < len(chosen):
            position, times = Counter(chosen).most_common(1)[0]
            raise SelectionError(f"position {position} was chosen {times} times; need distinct positions")
        indices: list[int] = self._indices_N[positions.long().to(self._indices_N.device)].tolist()
        return indices

    @property
    def _posterior(self) -> Posterior:
        if self._drawn is None:
            with self._stopwatch.phase("predict"):
                self._drawn = self._draw()
        return self._drawn

    def _predicted(self, positions_n: Tensor) -> Tensor:
        with self._stopwatch.phase("predict"):
            return self._posterior.log_probs(self._train.inputs[self._indices_N[positions_n]])

    def _embedded(self, indices: Tensor) -> Tensor:
        with self._stopwatch.phase("predict"):
            chunks = torch.split(indices, self.chunk_size)
            return torch.cat([self._fitted.embeddings(self._train.inputs[indices_n]) for indices_n in chunks])
