"""The small pools that acquisition functions are checked on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from softal_bench.contracts import AcquiredBatch, AcquisitionFunction
from softal_bench.pools import TensorPool

N, K, C, D, LABELLED, TARGETS = 40, 8, 4, 5, 6, 9


@dataclass(frozen=True)
class Example:
    """All that a pool can offer. Every tensor is a function of the points, not of their order in the pool."""

    log_probs_N_K_C: Tensor
    evaluation_N_K_C: Tensor
    targets_M_K_C: Tensor
    embeddings_N_D: Tensor
    labelled_L_D: Tensor

    @property
    def size(self) -> int:
        """N."""
        return len(self.log_probs_N_K_C)

    def tensors(self) -> dict[str, Tensor]:
        """All of them by name."""
        return dict(vars(self))

    def at(self, positions: Tensor) -> "Example":
        """The example whose pool holds these points, in this order."""
        per_point = ("log_probs_N_K_C", "evaluation_N_K_C", "embeddings_N_D")
        return replace(self, **{name: getattr(self, name)[positions] for name in per_point})

    def to(self, dtype: torch.dtype) -> "Example":
        """The same in another type."""
        return replace(self, **{name: tensor.to(dtype) for name, tensor in self.tensors().items()})

    def predicting(self, log_probs_N_K_C: Tensor) -> "Example":
        """The same with other predictions; the evaluation posterior knows the weights, and the targets are the pool."""
        certain = log_probs_N_K_C[:, :1].expand_as(log_probs_N_K_C)
        return replace(
            self, log_probs_N_K_C=log_probs_N_K_C, evaluation_N_K_C=certain, targets_M_K_C=log_probs_N_K_C
        ).at(torch.arange(len(log_probs_N_K_C)))

    def pool(self, needs: frozenset[str], chunk_size: int = N) -> TensorPool:
        """A pool that offers what is needed, and nothing else."""
        return TensorPool(
            self.log_probs_N_K_C,
            chunk_size,
            embeddings_N_D=self.embeddings_N_D if "embeddings" in needs else None,
            labelled_L_D=self.labelled_L_D if "labelled" in needs else None,
            targets=TensorPool(self.targets_M_K_C, chunk_size) if "targets" in needs else None,
            evaluation=TensorPool(self.evaluation_N_K_C, chunk_size) if "evaluation" in needs else None,
        )


def example(size: int = N) -> Example:
    """A pool with a spread of confidence; float64, so that no two points tie."""
    generator = torch.Generator().manual_seed(0)
    return Example(
        _log_probs(size, generator),
        _log_probs(size, generator),
        _log_probs(TARGETS, generator),
        torch.randn(size, D, generator=generator),
        torch.randn(LABELLED, D, generator=generator),
    )


def choose(
    acquisition: AcquisitionFunction, of: Example, batch_size: int, seed: int = 0, chunk_size: int = N
) -> AcquiredBatch:
    """The batch that the acquisition function chooses of an example's pool."""
    generator = torch.Generator().manual_seed(seed)
    return acquisition.select(of.pool(acquisition.needs, chunk_size), batch_size, generator)


def chosen(
    acquisition: AcquisitionFunction, of: Example, batch_size: int, seed: int = 0, chunk_size: int = N
) -> list[int]:
    """Its positions."""
    return [int(position) for position in choose(acquisition, of, batch_size, seed, chunk_size).positions]


def batches(acquisition: AcquisitionFunction, of: Example, batch_size: int, count: int) -> Iterator[list[int]]:
    """The positions chosen under generators of different states."""
    return (chosen(acquisition, of, batch_size, seed) for seed in range(count))


def _log_probs(size: int, generator: torch.Generator) -> Tensor:
    common_N_1_C = torch.randn(size, 1, C, generator=generator, dtype=torch.float64) * 2
    apart_N_K_C = torch.randn(size, K, C, generator=generator, dtype=torch.float64)
    return (common_N_1_C + apart_N_K_C).log_softmax(dim=-1)
