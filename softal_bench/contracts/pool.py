"""The contract of a pool: the candidates that an acquisition function chooses from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from softal_bench.errors import NumericalError


class Pool(ABC):
    """N unlabelled points under K posterior samples. Its tensors must not be written to.

    Log-probs are read in chunks, so that a one-sample score never holds an N x K x C tensor. All chunks use the same K
    posterior samples, so that reading twice gives the same numbers. An acquisition function has to declare in its
    `needs` what it reads in addition to log-probs.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """N, the number of points."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """C, the number of classes."""

    @property
    @abstractmethod
    def num_samples(self) -> int:
        """K, the number of posterior samples."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """The device of the log-probs."""

    @abstractmethod
    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (positions_n, log_probs_n_K_C), chunk by chunk, for all positions in increasing order.

        positions_n is a LongTensor on the pool's device. log_probs_n_K_C are the natural logarithms of
        p(y=c | x_n, w_k), float32 or float64.
        """

    @abstractmethod
    def log_probs_at(self, positions: Tensor) -> Tensor:
        """Return log_probs_n_K_C at the given positions (LongTensor [n]), in their order, from the same K samples."""

    def embeddings(self) -> Tensor:
        """Return embeddings_N_D, one vector for each point. Needs the declaration "embeddings"."""
        raise self._missing("embeddings")

    @property
    def labelled(self) -> Tensor:
        """embeddings_L_D of the labelled set. Needs the declaration "labelled"."""
        raise self._missing("labelled")

    @property
    def targets(self) -> "Pool":
        """A pool of target inputs under the same K samples. Needs the declaration "targets"."""
        raise self._missing("targets")

    @property
    def evaluation(self) -> "Pool":
        """The same points under the evaluation posterior. Needs the declaration "evaluation"."""
        raise self._missing("evaluation")

    def _missing(self, what: str) -> Exception:
        return LookupError(
            f"this pool does not offer {what!r}; an acquisition function that reads it has to declare it, needs = "
            f"frozenset({{{what!r}}}), and the suite has to offer it"
        )


@contextmanager
def errors_at(positions_n: Tensor) -> Iterator[None]:
    """Translate a NumericalError about point i of a chunk into an error about position positions_n[i] of the pool."""
    try:
        yield
    except NumericalError as error:
        raise error.at(positions_n.tolist()) from error
