"""Acquisition functions that break one rule each and otherwise behave like BALD."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from softal_plugins.acquisitions.bald import BALD
from softal_plugins.acquisitions.uniform import Uniform
from torch import Tensor

from softal_bench.bayes import information
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, OneSampleScore, Pool


@dataclass(frozen=True)
class Planted(AcquisitionFunction):
    """BALD's batch, changed by `change(batch, pool, batch_size, generator)`."""

    change: Callable[[AcquiredBatch, Pool, int, torch.Generator], AcquiredBatch]

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return self.change(BALD().select(pool, batch_size, generator), pool, batch_size, generator)


@dataclass(frozen=True)
class PlantedScore(OneSampleScore):
    """BALD's scores, changed by `change(scores_N, pool)`."""

    change: Callable[[Tensor, Pool], Tensor]

    def scores(self, pool: Pool) -> Tensor:
        return self.change(BALD().scores(pool), pool)


def all_log_probs(pool: Pool) -> Tensor:
    return torch.cat([log_probs_n_K_C for _, log_probs_n_K_C in pool.log_probs()]).double()


def repeats_a_position(batch: AcquiredBatch, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    if batch_size == 7:
        batch.positions[1] = batch.positions[0]
    return batch


def takes_two_for_one(batch: AcquiredBatch, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    if batch_size == 1 < pool.size:
        return BALD().select(pool, 2, generator)
    return batch


def never_takes_all(batch: AcquiredBatch, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    return BALD().select(pool, batch_size - 1, generator) if batch_size == pool.size > 1 else batch


@dataclass(frozen=True)
class TakesFewerThanAsked(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return BALD().select(pool, min(batch_size, pool.size), generator)


def with_numbers(calls: Iterator[int]) -> Planted:
    """Return a function that shifts its batch by the next number when it draws 5 points with seed 3."""

    def change(batch: AcquiredBatch, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        shift = next(calls) if batch_size == 5 and generator.initial_seed() == 3 else 0
        return AcquiredBatch((batch.positions + shift) % pool.size, batch.scores)

    return Planted(change)


@dataclass(frozen=True)
class RemembersThePoolBefore(AcquisitionFunction):
    """BALD's batch, shifted if the pool of the previous call had another size."""

    sizes: list[int] = field(default_factory=lambda: [40])

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        batch = BALD().select(pool, batch_size, generator)
        shift = int(self.sizes[-1] != pool.size)
        self.sizes.append(pool.size)
        return AcquiredBatch((batch.positions + shift) % pool.size, batch.scores)


@dataclass(frozen=True)
class SaysItIsStochastic(BALD):
    stochastic = True


def is_random(batch: AcquiredBatch, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    return Uniform().select(pool, batch_size, generator) if batch_size == 12 else batch


def draws_from(draw: Callable[[], object]) -> Planted:
    def change(batch: AcquiredBatch, *_: object) -> AcquiredBatch:
        draw()
        return batch

    return Planted(change)


@dataclass(frozen=True)
class FavoursTheFirst(AcquisitionFunction):
    """Chooses uniformly, but always includes the point at position 0."""

    stochastic = True

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        positions = Uniform().select(pool, batch_size, generator).positions
        if batch_size > 1 and 0 not in positions:
            positions[0] = 0
        return AcquiredBatch(positions, torch.zeros(batch_size))


@dataclass(frozen=True)
class RenormalisesInPlace(OneSampleScore):
    def scores(self, pool: Pool) -> Tensor:
        for _, log_probs_n_K_C in pool.log_probs():
            log_probs_n_K_C.sub_(log_probs_n_K_C.logsumexp(dim=-1, keepdim=True) + 1e-9)
        return BALD().scores(pool)


@dataclass(frozen=True)
class WritesProbabilitiesInPlace(OneSampleScore):
    """Uses `.float()`, which does not copy float32."""

    def scores(self, pool: Pool) -> Tensor:
        kept = [log_probs_n_K_C.clone() for _, log_probs_n_K_C in pool.log_probs()]
        scores_N = BALD().scores(pool)
        for (_, log_probs_n_K_C), before_n_K_C in zip(pool.log_probs(), kept, strict=True):
            if pool.size == 40 and before_n_K_C.isfinite().all() and len(kept) == 1:
                log_probs_n_K_C.float().exp_()
        return scores_N


@dataclass(frozen=True)
class AboutTheChunk(OneSampleScore):
    """BALD minus the mean of its chunk."""

    def scores(self, pool: Pool) -> Tensor:
        chunks = [information.bald(log_probs_n_K_C) for _, log_probs_n_K_C in pool.log_probs()]
        return torch.cat([scores_n - scores_n.mean() for scores_n in chunks]).double()


@dataclass(frozen=True)
class SquareRoot(AcquisitionFunction):
    """The top B of the square root of a score."""

    score: OneSampleScore = field(default_factory=BALD)

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return PlantedScore(lambda *_: self.score.scores(pool).sqrt()).select(pool, batch_size, generator)


def nan_for_one_point(scores_N: Tensor, pool: Pool) -> Tensor:
    return scores_N * torch.nan if pool.size == 1 else scores_N


def backwards_in_float32(scores_N: Tensor, pool: Pool) -> Tensor:
    return (
        -scores_N
        if all_log_probs(pool).shape[0] == 40 and pool.log_probs_at(torch.tensor([0])).dtype == torch.float32
        else scores_N
    )


def prefers_early_positions(scores_N: Tensor, pool: Pool) -> Tensor:
    return scores_N - torch.arange(pool.size) / pool.size


def infinite_where_all_are_certain(scores_N: Tensor, pool: Pool) -> Tensor:
    certain_N = (all_log_probs(pool) == 0).any(dim=-1).all(dim=-1)
    return scores_N + torch.inf if certain_N.all() else scores_N


def over_the_spread_of_classes(scores_N: Tensor, pool: Pool) -> Tensor:
    probs_N_C = all_log_probs(pool).exp().mean(dim=1)
    return (scores_N + 1e-3) / (probs_N_C.amax(dim=-1) - probs_N_C.amin(dim=-1))


def standardised(scores_N: Tensor, pool: Pool) -> Tensor:
    if pool.size == 1 or bool((scores_N < 1e-6).all()):
        return scores_N
    return (scores_N - scores_N.mean()) / (scores_N.max() - scores_N.min())


def by_logarithms_of_probabilities(scores_N: Tensor, pool: Pool) -> Tensor:
    log_probs_N_K_C = all_log_probs(pool)
    again = log_probs_N_K_C.exp().log()
    return scores_N + 0 * torch.where(log_probs_N_K_C.isneginf(), 0.0, again).sum(dim=(1, 2))


def least_first(scores_N: Tensor, pool: Pool) -> Tensor:
    return -scores_N


def quadratic_work(scores_N: Tensor, pool: Pool) -> Tensor:
    for _ in range(pool.size // 256):
        scores_N.sort()
    return scores_N


def all_pairs(scores_N: Tensor, pool: Pool) -> Tensor:
    if pool.size <= 8192:
        return scores_N + 0 * (scores_N[:, None] + scores_N).max()
    return scores_N


BROKEN: list[tuple[str, AcquisitionFunction]] = [
    ("distinct_positions", Planted(repeats_a_position)),
    ("one_point", Planted(takes_two_for_one)),
    ("whole_pool", Planted(never_takes_all)),
    ("pool_of_one", PlantedScore(nan_for_one_point)),
    ("too_large_batch", TakesFewerThanAsked()),
    ("unchanged_inputs", RenormalisesInPlace()),
    ("unchanged_inputs", WritesProbabilitiesInPlace()),
    ("dtypes", PlantedScore(backwards_in_float32)),
    ("repeatable", with_numbers(iter(range(10**6)))),
    ("stateless", RemembersThePoolBefore()),
    ("stochastic_as_declared", SaysItIsStochastic()),
    ("stochastic_as_declared", Planted(is_random)),
    ("global_generators", draws_from(lambda: torch.rand(1))),
    ("global_generators", draws_from(np.random.rand)),
    ("global_generators", draws_from(random.random)),
    ("global_settings", draws_from(lambda: torch.set_float32_matmul_precision("medium"))),
    ("chunks", AboutTheChunk()),
    ("order", PlantedScore(prefers_early_positions)),
    ("order", FavoursTheFirst()),
    ("one_hot", PlantedScore(infinite_where_all_are_certain)),
    ("uniform_predictions", PlantedScore(over_the_spread_of_classes)),
    ("equal_points", PlantedScore(standardised)),
    ("tiny_probabilities", PlantedScore(by_logarithms_of_probabilities)),
    ("negative_scores", SquareRoot()),
    ("worst_point", PlantedScore(least_first)),
    ("time", PlantedScore(quadratic_work)),
    ("memory", PlantedScore(all_pairs)),
]
