"""The pool over a posterior, from which a trial acquires; it converts positions to indices in the data set."""

import functools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from softal_bench.contracts import Examples, FittedModel, Pool, Posterior
from softal_bench.contracts.acquisition import require_sound_positions
from softal_bench.errors import PredictionError
from softal_bench.machine.memory import prediction_chunk
from softal_bench.machine.stopwatch import Stopwatch


class Predictor:
    """A fitted model with one posterior. The stopwatch counts the time spent in them as the phase "predict".

    Pools that share a predictor use the same K samples.

    Args:
        fitted: the model.
        draw: draws its K posterior samples; called once, when they are first needed.
        stopwatch: the stopwatch of the round.
    """

    def __init__(self, fitted: FittedModel, draw: Callable[[], Posterior], stopwatch: Stopwatch) -> None:
        self._fitted = fitted
        self._draw = draw
        self._stopwatch = stopwatch

    @property
    def num_samples(self) -> int:
        """K, the number of posterior samples."""
        return self._posterior.num_samples

    def log_probs(self, inputs: Tensor, indices_n: Tensor) -> Tensor:
        """Return log_probs_n_K_C of the inputs at these indices."""
        with self._stopwatch.phase("predict"):
            try:
                return self._posterior.log_probs(inputs[indices_n])
            except PredictionError as error:
                raise error.at(indices_n.tolist()) from error

    def embeddings(self, inputs: Tensor, indices_n: Tensor) -> Tensor:
        """Return embeddings_n_D of the inputs at these indices."""
        with self._stopwatch.phase("predict"):
            return self._fitted.embeddings(inputs[indices_n])

    @functools.cached_property
    def _posterior(self) -> Posterior:
        with self._stopwatch.phase("predict"):
            return self._draw()


class PosteriorPool(Pool):
    """A pool of examples of a data set under a posterior. It predicts when it is read, one chunk at a time.

    Args:
        predictor: the model and its posterior.
        examples: the examples, on the device, that contain the pool and any labelled set; only inputs are read.
        indices_N: the indices of the examples in the pool, in increasing order; position i is index indices_N[i].
        needs: the needs that the acquisition function declares; the pool offers only these in addition to log-probs.
        labelled_indices: the indices of the labelled examples; if None, the pool offers no labelled set.
        evaluation: returns the same pool under the evaluation posterior; called once, when it is first needed.
        targets: returns the pool of target inputs, with the same predictor; called once, when it is first needed.

    Attributes:
        chunk_size: the number of inputs that are predicted at a time.
    """

    def __init__(
        self,
        predictor: Predictor,
        examples: Examples,
        indices_N: Tensor,
        needs: frozenset[str] = frozenset(),
        *,
        labelled_indices: Sequence[int] | None = None,
        evaluation: Callable[[], Pool] | None = None,
        targets: Callable[[], Pool] | None = None,
    ) -> None:
        self.chunk_size = prediction_chunk(examples.inputs.device)
        self._predictor = predictor
        self._examples = examples
        self._indices_N = indices_N
        self._needs = needs
        self._labelled_indices = labelled_indices
        self._evaluation = None if evaluation is None else functools.cache(evaluation)
        self._targets = None if targets is None else functools.cache(targets)

    @property
    def size(self) -> int:
        return len(self._indices_N)

    @property
    def num_samples(self) -> int:
        return self._predictor.num_samples

    @property
    def num_classes(self) -> int:
        return self._examples.num_classes

    @property
    def device(self) -> torch.device:
        return self._examples.inputs.device

    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for positions_n in torch.split(torch.arange(self.size, device=self.device), self.chunk_size):
            yield positions_n, self._predicted(positions_n)

    def log_probs_at(self, positions: Tensor) -> Tensor:
        return torch.cat([self._predicted(positions_n) for positions_n in torch.split(positions, self.chunk_size)])

    def embeddings(self) -> Tensor:
        return self._embedded(self._indices_N) if "embeddings" in self._needs else super().embeddings()

    @property
    def labelled(self) -> Tensor:
        if "labelled" not in self._needs or self._labelled_indices is None:
            return super().labelled
        return self._embedded(torch.tensor(self._labelled_indices, device=self.device))

    @property
    def targets(self) -> Pool:
        return super().targets if "targets" not in self._needs or self._targets is None else self._targets()

    @property
    def evaluation(self) -> Pool:
        return super().evaluation if "evaluation" not in self._needs or self._evaluation is None else self._evaluation()

    def indices(self, positions: Tensor) -> list[int]:
        """Return the indices in the data set of positions in this pool.

        Raises:
            SelectionError: if the positions are not valid; see `require_sound_positions`.
        """
        require_sound_positions(positions, self.size)
        indices: list[int] = self._indices_N[positions.long().to(self._indices_N.device)].tolist()
        return indices

    def _predicted(self, positions_n: Tensor) -> Tensor:
        return self._predictor.log_probs(self._examples.inputs, self._indices_N[positions_n])

    def _embedded(self, indices: Tensor) -> Tensor:
        chunks = torch.split(indices, self.chunk_size)
        return torch.cat([self._predictor.embeddings(self._examples.inputs, indices_n) for indices_n in chunks])
