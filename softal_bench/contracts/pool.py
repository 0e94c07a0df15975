"""The contract of a pool: the candidates that an acquisition function chooses from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from softal_bench.errors import NumericalError


class Pool(ABC):
    """N unlabelled points under K posterior samples. Read its tensors; never write to them.

    Log-probs come in chunks, so that a one-sample score never holds an N x K x C tensor, and always from the same K
    posterior samples, so that reading twice gives the same numbers. What an acquisition function reads beyond log-probs
    it has to declare in its `needs`.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """N, the number of points."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """C."""

    @property
    @abstractmethod
    def num_samples(self) -> int:
        """K, the number of posterior samples."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the log-probs live."""

    @abstractmethod
    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (positions_n, log_probs_n_K_C) until every position came once, in increasing order.

        positions_n is a LongTensor on the pool's device; log_probs_n_K_C are natural logarithms of p(y=c | x_n, w_k).
        """

    @abstractmethod
    def log_probs_at(self, positions: Tensor) -> Tensor:
        """Return log_probs_n_K_C at the given positions (LongTensor [n]), in their order, from the same K samples."""

    def embeddings(self) -> Tensor:
        """Return embeddings_N_D, one vector a point; to be declared as "embeddings"."""
        raise self._lacks("embeddings")

    @property
    def labelled(self) -> Tensor:
        """embeddings_L_D of the labelled set; to be declared as "labelled"."""
        raise self._lacks("labelled")

    @property
    def targets(self) -> "Pool":
        """A pool of target inputs under the same K samples; to be declared as "targets"."""
        raise self._lacks("targets")

    @property
    def evaluation(self) -> "Pool":
        """The same points under the evaluation posterior; to be declared as "evaluation"."""
        raise self._lacks("evaluation")

    def _lacks(self, what: str) -> Exception:
        return LookupError(
            f"this pool has no {what!r}; an acquisition function that reads it has to declare it, needs = "
            f"frozenset({{{what!r}}}), and the suite has to offer it"
        )


@contextmanager
def errors_at(positions_n: Tensor) -> Iterator[None]:
    """Translate a NumericalError about point i of a chunk into an error about position positions_n[i] of the pool."""
    try:
        yield
    except NumericalError as error:
        raise error.at(positions_n.tolist()) from error
