"""The contract of a pool: the candidates that an acquisition function chooses from, and all else that it may read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import torch
from torch import Tensor

from softal_bench.errors import NumericalError

T = TypeVar("T")

NEEDS = {
    "embeddings": "embeddings(): the last hidden layer of the model, of the pool and, if needed, of the labelled set",
    "labelled": "labelled: the labelled set, with its labels",
    "features": "features(): fixed features of the data set, of the pool and, if needed, of the labelled set",
    "inputs": "inputs_at(positions): the inputs of the model",
    "head": "head(embeddings_n_D): the model's predictions from its last hidden layer on",
    "targets": "targets: target inputs, as a pool",
    "evaluation": "evaluation: the same points under the evaluation posterior",
}


@dataclass(frozen=True)
class Progress:
    """The state of a trial when a batch is acquired.

    Attributes:
        round: the number of the round, from 0.
        num_labelled: L, the size of the labelled set.
        budget: the size at which the trial ends.
        batch_size: B, the size of an acquisition batch.
    """

    round: int
    num_labelled: int
    budget: int
    batch_size: int


class LabelledSet(ABC):
    """The L labelled points of a trial. Its tensors are on the pool's device and must not be written to."""

    @property
    @abstractmethod
    def size(self) -> int:
        """L, the number of labelled points."""

    @property
    @abstractmethod
    def indices_L(self) -> Tensor:
        """The indices in the data set, LongTensor [L], in the order in which the points were labelled."""

    @property
    @abstractmethod
    def labels_L(self) -> Tensor:
        """The labels, LongTensor [L]."""

    @abstractmethod
    def log_probs(self) -> Tensor:
        """Return log_probs_L_K_C under the posterior samples of the pool."""

    def embeddings(self) -> Tensor:
        """Return embeddings_L_D. Needs the declaration "embeddings" too."""
        raise missing("embeddings")

    def features(self) -> Tensor:
        """Return features_L_F. Needs the declaration "features" too."""
        raise missing("features")

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(Tensor, name):
            raise AttributeError(f"{name}: {_NO_TENSOR}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __len__(self) -> int:
        raise TypeError(f"{_NO_TENSOR}; its size is labelled.size")

    def __getitem__(self, index: object) -> NoReturn:
        raise TypeError(_NO_TENSOR)

    def __iter__(self) -> NoReturn:
        raise TypeError(_NO_TENSOR)

    def __array__(self, *_: object) -> NoReturn:
        raise TypeError(_NO_TENSOR)

    @classmethod
    def __torch_function__(cls, *_: object) -> NoReturn:
        raise TypeError(_NO_TENSOR)


_NO_TENSOR = "the labelled set of a pool is not a tensor; its embeddings are labelled.embeddings()"


class Candidates(ABC):
    """All M candidates of a trial, labelled or not, in the order of their indices; for `Pool.once`."""

    @property
    @abstractmethod
    def indices_M(self) -> Tensor:
        """The indices of the candidates in the data set, LongTensor [M], in increasing order."""

    @abstractmethod
    def features(self) -> Tensor:
        """Return features_M_F. Needs the declaration "features"."""

    @abstractmethod
    def inputs_at(self, positions: Tensor) -> Tensor:
        """Return the inputs of candidates [n, ...]. Needs the declaration "inputs"."""

    def positions_of(self, indices: Tensor) -> Tensor:
        """Return the positions of candidates that have these indices in the data set."""
        return torch.searchsorted(self.indices_M, indices)


class Pool(ABC):
    """N unlabelled points under K posterior samples. Its tensors must not be written to.

    Log-probs are read in chunks, so that a one-sample score never holds an N x K x C tensor. All chunks use the same K
    posterior samples, so that reading twice gives the same numbers. An acquisition function has to declare in its
    `needs` what it reads in addition to log-probs, indices and progress; see `NEEDS`.
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

    @property
    def indices_N(self) -> Tensor:
        """The indices of the points in the data set, LongTensor [N]; 0 .. N-1 if the pool is all there is."""
        return torch.arange(self.size, device=self.device)

    @property
    def progress(self) -> Progress:
        """The state of the trial; outside a trial, the first round without a labelled set."""
        return Progress(round=0, num_labelled=0, budget=self.size, batch_size=1)

    @abstractmethod
    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (positions_n, log_probs_n_K_C), chunk by chunk, for all positions in increasing order.

        positions_n is a LongTensor on the pool's device. log_probs_n_K_C are the natural logarithms of
        p(y=c | x_n, w_k), float32 or float64.
        """

    @abstractmethod
    def log_probs_at(self, positions: Tensor) -> Tensor:
        """Return log_probs_n_K_C at the given positions (LongTensor [n]), in their order, from the same K samples."""

    def once(self, name: str, compute: Callable[[Candidates, torch.Generator], T]) -> T:
        """Return what `compute` returned when it was first called under this name in the trial.

        This is for what depends only on the data, such as a clustering of the features. A trial that resumes computes
        it again, with the same result, because `compute` gets all candidates of the trial, whether they are labelled
        by now or not, and a generator that is seeded from the trial and the name.

        Args:
            name: the name of the value, among those of the acquisition function.
            compute: computes the value; it must depend on its arguments only.

        Raises:
            LookupError: if this is not the pool that `select` gets in a trial, or a `TensorPool`.
        """
        raise LookupError("this pool computes nothing once; call `once` of the pool that `select` gets")

    def embeddings(self) -> Tensor:
        """Return embeddings_N_D, one vector for each point. Needs the declaration "embeddings"."""
        raise missing("embeddings")

    def features(self) -> Tensor:
        """Return features_N_F, fixed features of the points that the data set offers. Needs "features".

        Inputs that are vectors are features. Features do not depend on the model.
        """
        raise missing("features")

    def inputs_at(self, positions: Tensor) -> Tensor:
        """Return the inputs of the model at the given positions (LongTensor [n]), [n, ...]. Needs "inputs"."""
        raise missing("inputs")

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        """Return log_probs_n_K_C of any embeddings, from the last hidden layer on, under the same K samples.

        Needs the declaration "head". `embeddings` has no dropout, so with MC dropout `head(embeddings())` differs from
        the log-probs of the points, for which the layers before the last hidden one are sampled too.
        """
        raise missing("head")

    @property
    def labelled(self) -> LabelledSet:
        """The labelled set. Needs the declaration "labelled"."""
        raise missing("labelled")

    @property
    def targets(self) -> "Pool":
        """A pool of target inputs under the same K samples. Needs the declaration "targets"."""
        raise missing("targets")

    @property
    def evaluation(self) -> "Pool":
        """The same points under the evaluation posterior. Needs the declaration "evaluation"."""
        raise missing("evaluation")


def missing(what: str) -> LookupError:
    """Return the error that says that a pool does not offer one of `NEEDS`."""
    return LookupError(
        f"this pool does not offer {what!r}; an acquisition function that reads it has to declare it, needs = "
        f"frozenset({{{what!r}}}), and the suite, its model and its data set have to offer it"
    )


@contextmanager
def errors_at(positions_n: Tensor) -> Iterator[None]:
    """Translate a NumericalError about point i of a chunk into an error about position positions_n[i] of the pool."""
    try:
        yield
    except NumericalError as error:
        raise error.at(positions_n.tolist()) from error
