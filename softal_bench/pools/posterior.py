"""The pool over a posterior, from which a trial acquires; it converts positions to indices in the data set."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from softal_bench.contracts import Candidates, Examples, FittedModel, LabelledSet, Pool, Posterior, Progress
from softal_bench.contracts.acquisition import require_sound_positions
from softal_bench.contracts.pool import missing
from softal_bench.errors import PredictionError
from softal_bench.machine.memory import prediction_chunk
from softal_bench.machine.stopwatch import Stopwatch

T = TypeVar("T")


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

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        """Return log_probs_n_K_C of embeddings, from the last hidden layer on."""
        with self._stopwatch.phase("predict"):
            return self._posterior.head(embeddings_n_D)

    @functools.cached_property
    def _posterior(self) -> Posterior:
        with self._stopwatch.phase("predict"):
            return self._draw()


class TrialCandidates(Candidates):
    """The candidates of a trial, and the values that its acquisition function computes once.

    Args:
        examples: the training examples, on the device; their labels are not read.
        indices_M: the indices of the candidates, in increasing order, on the device.
        needs: the needs that the acquisition function declares.
        generator: returns the generator of a purpose, in the state that is fixed by the trial.
    """

    def __init__(
        self,
        examples: Examples,
        indices_M: Tensor,
        needs: frozenset[str],
        generator: Callable[[str], torch.Generator],
    ) -> None:
        self._examples = examples
        self._indices_M = indices_M
        self._needs = needs
        self._generator = generator
        self._kept: dict[str, Any] = {}

    @property
    def indices_M(self) -> Tensor:
        return self._indices_M

    def features(self) -> Tensor:
        return _features(self._examples, self._indices_M, self._needs)

    def inputs_at(self, positions: Tensor) -> Tensor:
        if "inputs" not in self._needs:
            raise missing("inputs")
        return self._examples.inputs[self._indices_M[positions]]

    def once(self, name: str, compute: Callable[[Candidates, torch.Generator], T]) -> T:
        """Return the value of this name, computed at the first call; see `Pool.once`."""
        if name not in self._kept:
            self._kept[name] = compute(self, self._generator(f"once: {name}"))
        value: T = self._kept[name]
        return value


class PosteriorPool(Pool):
    """A pool of examples of a data set under a posterior. It predicts when it is read, one chunk at a time.

    Args:
        predictor: the model and its posterior.
        examples: the examples, on the device, that contain the pool and its labelled set. Labels are read of the
            labelled set alone.
        indices_N: the indices of the examples in the pool, in increasing order; position i is index indices_N[i].
        progress: the state of the trial.
        needs: the needs that the acquisition function declares; the pool offers only these in addition to log-probs.
        labelled_indices: the indices of the labelled examples; if None, the pool offers no labelled set.
        candidates: the candidates of the trial; if None, the pool computes nothing once.
        evaluation: returns the same pool under the evaluation posterior; called once, when it is first needed.
        targets: returns the pool of target inputs, with the same predictor; called once, when it is first needed.

    Attributes:
        chunk_size: the number of inputs that are predicted at a time.
    """

    def __init__(  # noqa: PLR0913 (each is one thing that a pool offers)
        self,
        predictor: Predictor,
        examples: Examples,
        indices_N: Tensor,
        progress: Progress,
        needs: frozenset[str] = frozenset(),
        *,
        labelled_indices: Sequence[int] | None = None,
        candidates: TrialCandidates | None = None,
        evaluation: Callable[[], Pool] | None = None,
        targets: Callable[[], Pool] | None = None,
    ) -> None:
        self.chunk_size = prediction_chunk(examples.inputs.device)
        self._predictor = predictor
        self._examples = examples
        self._indices_N = indices_N
        self._progress = progress
        self._needs = needs
        self._labelled_indices = labelled_indices
        self._candidates = candidates
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

    @property
    def indices_N(self) -> Tensor:
        return self._indices_N

    @property
    def progress(self) -> Progress:
        return self._progress

    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for positions_n in torch.split(torch.arange(self.size, device=self.device), self.chunk_size):
            yield positions_n, self._predictor.log_probs(self._examples.inputs, self._indices_N[positions_n])

    def log_probs_at(self, positions: Tensor) -> Tensor:
        return self._predicted(self._indices_N[positions])

    def once(self, name: str, compute: Callable[[Candidates, torch.Generator], T]) -> T:
        return super().once(name, compute) if self._candidates is None else self._candidates.once(name, compute)

    def embeddings(self) -> Tensor:
        return self._embedded(self._indices_N) if "embeddings" in self._needs else super().embeddings()

    def features(self) -> Tensor:
        return _features(self._examples, self._indices_N, self._needs)

    def inputs_at(self, positions: Tensor) -> Tensor:
        if "inputs" not in self._needs:
            return super().inputs_at(positions)
        return self._examples.inputs[self._indices_N[positions]]

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        return self._predictor.head(embeddings_n_D) if "head" in self._needs else super().head(embeddings_n_D)

    @property
    def labelled(self) -> LabelledSet:
        if "labelled" not in self._needs or self._labelled_indices is None:
            return super().labelled
        return _Labelled(self, torch.tensor(self._labelled_indices, dtype=torch.int64, device=self.device))

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

    def _predicted(self, indices: Tensor) -> Tensor:
        chunks = torch.split(indices, self.chunk_size)
        return torch.cat([self._predictor.log_probs(self._examples.inputs, indices_n) for indices_n in chunks])

    def _embedded(self, indices: Tensor) -> Tensor:
        chunks = torch.split(indices, self.chunk_size)
        return torch.cat([self._predictor.embeddings(self._examples.inputs, indices_n) for indices_n in chunks])


class _Labelled(LabelledSet):
    """The labelled set of a pool over a posterior."""

    def __init__(self, pool: PosteriorPool, indices_L: Tensor) -> None:
        self._pool = pool
        self._indices_L = indices_L

    @property
    def size(self) -> int:
        return len(self._indices_L)

    @property
    def indices_L(self) -> Tensor:
        return self._indices_L

    @property
    def labels_L(self) -> Tensor:
        return self._pool._examples.labels[self._indices_L]

    def log_probs(self) -> Tensor:
        return self._pool._predicted(self._indices_L)

    def embeddings(self) -> Tensor:
        return self._pool._embedded(self._indices_L) if "embeddings" in self._pool._needs else super().embeddings()

    def features(self) -> Tensor:
        return _features(self._pool._examples, self._indices_L, self._pool._needs)


def _features(examples: Examples, indices: Tensor, needs: frozenset[str]) -> Tensor:
    if "features" not in needs or examples.features is None:
        raise missing("features")
    return examples.features[indices]
