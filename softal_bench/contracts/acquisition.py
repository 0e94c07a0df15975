"""The contract of an acquisition function: choose B of the N points of a pool."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from softal_bench.contracts.pool import Pool, errors_at
from softal_bench.errors import SelectionError


@dataclass(frozen=True)
class AcquiredBatch:
    """The chosen points, in the order in which they were chosen.

    Attributes:
        positions: LongTensor [B], distinct positions in the pool, each in 0 .. N-1.
        scores: Tensor [B], the score of each point when it was chosen; finite, larger is better.

    `require_sound_batch` checks both.
    """

    positions: Tensor
    scores: Tensor


class AcquisitionFunction(ABC):
    """A method that chooses an acquisition batch.

    Subclasses are frozen dataclasses whose fields are their parameters in YAML. They implement `select`; all attributes
    are optional declarations. The harness reads these declarations and never compares names of methods.

    Attributes:
        needs: what `select` reads beyond log-probs, indices and progress: any of the keys of `contracts.NEEDS`.
        least_samples: the smallest number K of posterior samples for which the method is defined; BALD needs 2.
        stochastic: whether the batch from a given pool depends on the state of the generator.
        citation: the publication that describes the method.
        cost: time and memory in terms of N, K, C and B, as text for readers.
        time_order: the exponent p such that time is O(N^p) at fixed K, C and B, up to logarithms. Conformance checks
            this bound.
        memory_order: the exponent p such that the memory that a selection uses in addition to the pool is O(N^p).
        ranks_points: whether the scores of a batch rank its points. The harness warns if all scores of a batch are
            equal, unless this is False, as for uniform sampling.
        revision: increased by one when a change alters results, so that results of older code are not mistaken for
            results of newer code.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    least_samples: ClassVar[int] = 1
    stochastic: ClassVar[bool] = False
    citation: ClassVar[str] = ""
    cost: ClassVar[str] = ""
    time_order: ClassVar[float] = 1.0
    memory_order: ClassVar[float] = 1.0
    ranks_points: ClassVar[bool] = True
    revision: ClassVar[int] = 1

    @abstractmethod
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        """Choose `batch_size` points of the pool.

        Args:
            pool: the candidates. `select` must not write to its tensors.
            batch_size: B, with 1 <= B <= pool.size.
            generator: the only source of randomness; a CPU generator on every device.

        Returns:
            The chosen points with their scores, in the order in which they were chosen.

        Raises:
            SelectionError: if the pool has fewer than B points.
        """

    def peak_bytes(self, pool_size: int, num_samples: int, num_classes: int, batch_size: int) -> int | None:
        """Estimate the bytes that `select` holds at its peak, for a forecast. Return None if it is O(N).

        It is called with the device of the forecast as torch's default device.
        """
        return None


class OneSampleScore(AcquisitionFunction):
    """An acquisition function that scores each point on its own and takes the B points with the highest scores.

    A subclass implements `score_chunk` if it needs only log-probs. Otherwise it overrides `scores`. The stochastic
    rules sample their batch from the same scores. Of points with equal scores, the one at the lower position is chosen
    first.
    """

    def score_chunk(self, log_probs_n_K_C: Tensor) -> Tensor:
        """Return scores_n, float64, one for each of n points; larger is better.

        Args:
            log_probs_n_K_C: natural logarithms of p(y=c | x_n, w_k), float32 or float64; must not be written to.
        """
        name = type(self).__name__
        raise NotImplementedError(f"{name} implements neither score_chunk nor scores; implement one of them")

    def scores(self, pool: Pool) -> Tensor:
        """Return scores_N, float64 on the pool's device, one for each point of the pool; larger is better.

        The default implementation calls `score_chunk` on one chunk of the pool at a time. It uses O(N) memory and the
        memory of one chunk.

        Raises:
            NumericalError: if `score_chunk` raises it; the error names the position in the pool.
        """
        return scores_by_chunk(pool, self.score_chunk)

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        scores_N = self.scores(pool)
        order_N = torch.sort(scores_N, descending=True, stable=True).indices
        positions_B = order_N[:batch_size]
        return AcquiredBatch(positions_B, scores_N[positions_B])


def scores_by_chunk(pool: Pool, score_chunk: Callable[[Tensor], Tensor]) -> Tensor:
    """Return scores_N, float64 on the pool's device; `score_chunk` maps log_probs_n_K_C to scores_n.

    Uses O(N) memory and the memory of one chunk of the pool.

    Raises:
        NumericalError: if `score_chunk` raises it; the error names the position in the pool.
    """
    scores_N = torch.empty(pool.size, dtype=torch.float64, device=pool.device)
    for positions_n, log_probs_n_K_C in pool.log_probs():
        with errors_at(positions_n):
            scores_N[positions_n] = score_chunk(log_probs_n_K_C)
    return scores_N


def require_batch_fits(pool: Pool, batch_size: int) -> None:
    """Raise SelectionError unless 1 <= batch_size <= pool.size."""
    if not 1 <= batch_size <= pool.size:
        raise SelectionError(
            f"cannot choose {batch_size} points: the pool has {pool.size}, so 1 to {pool.size} can be chosen"
        )


def require_sound_batch(batch: object, batch_size: int, pool_size: int) -> AcquiredBatch:
    """Check the return value of `select`: it must hold B distinct positions in 0 .. N-1 and B finite scores.

    Trials, cost cells and conformance all use this check.

    Args:
        batch: the return value of `select`.
        batch_size: B.
        pool_size: N.

    Returns:
        `batch`.

    Raises:
        SelectionError: if it cannot be acquired; the message names the pick, the problem and the allowed values.
    """
    if not isinstance(batch, AcquiredBatch):
        raise SelectionError(f"select returned a {type(batch).__name__}; it has to return an AcquiredBatch")
    for name in ("positions", "scores"):
        values = getattr(batch, name)
        if not isinstance(values, Tensor) or values.shape != (batch_size,):
            got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
            raise SelectionError(f"{name} are {got}; batch size {batch_size} needs a tensor of shape ({batch_size},)")
    require_sound_positions(batch.positions, pool_size)
    unusable = (~batch.scores.isfinite()).nonzero().flatten()
    if len(unusable):
        pick = int(unusable[0])
        value = batch.scores[pick].item()
        raise SelectionError(
            f"the score of pick {pick} (position {int(batch.positions[pick])}) is {value}; scores have to be finite"
        )
    return batch


def require_sound_positions(positions: Tensor, pool_size: int) -> None:
    """Raise SelectionError unless the positions are distinct integers of shape [n], each in 0 .. N-1."""
    if positions.ndim != 1 or positions.dtype not in (torch.int64, torch.int32):
        raise SelectionError(
            f"positions are {positions.dtype} of shape {tuple(positions.shape)}; need int64 of shape [B]"
        )
    chosen = positions.tolist()
    outside = [position for position in chosen if not 0 <= position < pool_size]
    if outside:
        raise SelectionError(f"position {outside[0]} is outside the pool; allowed are 0 to {pool_size - 1}")
    if len(set(chosen)) < len(chosen):
        position, times = Counter(chosen).most_common(1)[0]
        raise SelectionError(f"position {position} was chosen {times} times; need distinct positions")
