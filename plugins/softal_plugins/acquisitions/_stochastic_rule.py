"""The base classes of the stochastic rules, which draw a batch without replacement by one-sample scores."""

import math
from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from softal_bench.bayes.sampling import require_numbers, sample_without_replacement
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, OneSampleScore, Pool
from softal_bench.contracts.acquisition import require_batch_fits

from .bald import BALD


@dataclass(frozen=True)
class StochasticRule(AcquisitionFunction):
    """A rule that draws the batch by scores_N of a one-sample score, and reports these as the scores of the batch."""

    score: OneSampleScore = field(
        default_factory=BALD, metadata={"meaning": "the one-sample score that the batch is drawn by"}
    )

    stochastic = True

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """The needs of the score."""
        return self.score.needs

    @property
    def least_samples(self) -> int:  # type: ignore[override]
        """The smallest number of posterior samples for which the score is defined."""
        return self.score.least_samples

    @abstractmethod
    def draw(self, scores_N: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw positions_B, which are distinct, from scores_N, which are float64 and not NaN."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        scores_N = self.score.scores(pool).double()
        require_numbers(scores_N)
        positions_B = self.draw(scores_N, batch_size, generator)
        return AcquiredBatch(positions_B, scores_N[positions_B])


@dataclass(frozen=True)
class GibbsRule(StochasticRule):
    """A rule that converts scores_N to log_weights_N, the Gibbs distribution from which the batch is drawn.

    T -> 0 tends to the top B of the score, T -> infinity to uniform; T itself is positive and finite.
    """

    temperature: float = field(
        default=0.125, metadata={"symbol": "T", "meaning": "near 0 the top B of the score, large uniform; above 0"}
    )

    citation = "Kirsch et al. 2021, arXiv:2106.12059; TMLR 2023"
    cost = "that of the score, and O(N log N) time"

    def __post_init__(self) -> None:
        if not (0 < self.temperature < math.inf and math.isfinite(1 / self.temperature)):
            raise ValueError(f"temperature is {self.temperature}; it must be positive and finite, and so must 1/T")

    @abstractmethod
    def log_weights(self, scores_N: Tensor, generator: torch.Generator) -> Tensor:
        """Return unnormalised log p_i, float64; -inf for points that come last."""

    def draw(self, scores_N: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        return sample_without_replacement(self.log_weights(scores_N, generator), batch_size, generator)
