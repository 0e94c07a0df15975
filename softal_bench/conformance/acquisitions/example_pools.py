"""The small pools with which acquisition functions are checked."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from softal_bench.conformance.rules import require
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool, Progress
from softal_bench.pools import LabelledTensors, TensorPool

N, K, C, D, F, LABELLED, TARGETS = 40, 8, 4, 5, 3, 6, 9
_BATCH = 5


@dataclass(frozen=True)
class ExamplePool:
    """Everything that a pool can offer. Each row depends on its point and not on the position of the point."""

    log_probs_N_K_C: Tensor
    evaluation_N_K_C: Tensor
    targets_M_K_C: Tensor
    embeddings_N_D: Tensor
    features_N_F: Tensor
    inputs_N: Tensor
    labelled_L_K_C: Tensor
    labelled_L_D: Tensor
    labelled_L_F: Tensor
    labels_L: Tensor
    head_K_D_C: Tensor

    @property
    def size(self) -> int:
        """The number of points N."""
        return len(self.log_probs_N_K_C)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name."""
        return dict(vars(self))

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        """Return log_probs_n_K_C, linear in the embeddings before normalisation."""
        logits_n_K_C = torch.einsum("nd,kdc->nkc", embeddings_n_D.to(self.head_K_D_C.dtype), self.head_K_D_C)
        return logits_n_K_C.log_softmax(dim=-1)

    def at(self, positions: Tensor) -> "ExamplePool":
        """Return the pool of the points at these positions, in this order."""
        per_point = ("log_probs_N_K_C", "evaluation_N_K_C", "embeddings_N_D", "features_N_F", "inputs_N")
        return replace(self, **{name: getattr(self, name)[positions] for name in per_point})

    def to(self, place: torch.dtype | torch.device) -> "ExamplePool":
        """Return the pool with all tensors converted to a dtype or moved to a device."""
        moved = {name: tensor.to(place) for name, tensor in self.tensors().items()}
        return replace(self, **moved | {"labels_L": moved["labels_L"].long()})

    def predicting(self, log_probs_N_K_C: Tensor) -> "ExamplePool":
        """Return the pool with these predictions.

        The evaluation posterior predicts the first posterior sample with certainty, and the targets are the pool.
        """
        certain = log_probs_N_K_C[:, :1].expand_as(log_probs_N_K_C)
        return replace(
            self, log_probs_N_K_C=log_probs_N_K_C, evaluation_N_K_C=certain, targets_M_K_C=log_probs_N_K_C
        ).at(torch.arange(len(log_probs_N_K_C)))

    def pool(self, needs: frozenset[str], chunk_size: int = N) -> TensorPool:
        """Return a pool for `select` that offers only log-probs and the given needs."""
        labelled = LabelledTensors(
            self.labels_L,
            torch.arange(self.size, self.size + LABELLED, device=self.labels_L.device),
            log_probs_L_K_C=self.labelled_L_K_C,
            embeddings_L_D=self.labelled_L_D if "embeddings" in needs else None,
            features_L_F=self.labelled_L_F if "features" in needs else None,
        )
        return TensorPool(
            self.log_probs_N_K_C,
            chunk_size,
            progress=Progress(round=3, num_labelled=LABELLED, budget=LABELLED + self.size, batch_size=_BATCH),
            embeddings_N_D=self.embeddings_N_D if "embeddings" in needs else None,
            features_N_F=self.features_N_F if "features" in needs else None,
            inputs_N=self.inputs_N if "inputs" in needs else None,
            labelled=labelled if "labelled" in needs else None,
            head=self.head if "head" in needs else None,
            targets=TensorPool(self.targets_M_K_C, chunk_size) if "targets" in needs else None,
            evaluation=TensorPool(self.evaluation_N_K_C, chunk_size) if "evaluation" in needs else None,
        )


def example_pool(size: int = N) -> ExamplePool:
    """Return a pool of points with different confidence, in float64, so that no two points have equal scores."""
    generator = torch.Generator().manual_seed(0)
    return ExamplePool(
        _log_probs(size, generator),
        _log_probs(size, generator),
        _log_probs(TARGETS, generator),
        torch.randn(size, D, generator=generator),
        torch.randn(size, F, generator=generator),
        torch.randn(size, 1, 4, 4, generator=generator),
        _log_probs(LABELLED, generator),
        torch.randn(LABELLED, D, generator=generator),
        torch.randn(LABELLED, F, generator=generator),
        torch.arange(LABELLED) % C,
        torch.randn(K, D, C, generator=generator, dtype=torch.float64),
    )


@dataclass(frozen=True)
class OnDevice(AcquisitionFunction):
    """An acquisition function with a device for its pools. Its declarations are those of the function."""

    acquisition: AcquisitionFunction
    device: torch.device

    def __post_init__(self) -> None:
        for name in ("needs", "stochastic"):
            object.__setattr__(self, name, getattr(self.acquisition, name))

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return self.acquisition.select(pool, batch_size, generator)

    def select_there(
        self, example: ExamplePool, batch_size: int, generator: torch.Generator, chunk_size: int
    ) -> AcquiredBatch:
        """Return the batch that it acquires from a copy of the pool on the device, moved to the CPU.

        Raises:
            Violation: if the batch is not on the device, or the copy was changed.
        """
        there = example.to(self.device)
        batch = self.select(there.pool(self.needs, chunk_size), batch_size, generator)
        for name, tensor in vars(batch).items():
            on = torch.as_tensor(tensor).device
            wrong = f"the pool is on {self.device}: expected the {name} of the batch there, got them on {on}"
            require(on.type == self.device.type, wrong)
        for name, tensor in there.tensors().items():
            same = torch.equal(tensor.cpu(), getattr(example, name))
            require(same, f"{batch_size} of {example.size} points: it changed the pool's {name} in place")
        return AcquiredBatch(batch.positions.cpu(), batch.scores.cpu())


def select(
    acquisition: AcquisitionFunction, example: ExamplePool, batch_size: int, seed: int = 0, chunk_size: int = N
) -> AcquiredBatch:
    """Return the batch that the acquisition function acquires from an example pool with a generator of this seed."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(acquisition, OnDevice):
        return acquisition.select_there(example, batch_size, generator, chunk_size)
    return acquisition.select(example.pool(acquisition.needs, chunk_size), batch_size, generator)


def positions_of(
    acquisition: AcquisitionFunction, example: ExamplePool, batch_size: int, seed: int = 0, chunk_size: int = N
) -> list[int]:
    """Return the positions of the batch that `select` returns."""
    return [int(position) for position in select(acquisition, example, batch_size, seed, chunk_size).positions]


def position_lists(
    acquisition: AcquisitionFunction, example: ExamplePool, batch_size: int, seeds: int
) -> Iterator[list[int]]:
    """Return the positions of the batches that are acquired with generators of the seeds 0 to seeds - 1."""
    return (positions_of(acquisition, example, batch_size, seed) for seed in range(seeds))


def _log_probs(size: int, generator: torch.Generator) -> Tensor:
    common_N_1_C = torch.randn(size, 1, C, generator=generator, dtype=torch.float64) * 2
    own_N_K_C = torch.randn(size, K, C, generator=generator, dtype=torch.float64)
    return (common_N_1_C + own_N_K_C).log_softmax(dim=-1)
