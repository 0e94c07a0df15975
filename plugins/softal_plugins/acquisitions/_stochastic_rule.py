"""What the stochastic rules share: B draws without replacement from a Gibbs distribution over one-sample scores."""

import math
from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from softal_bench.bayes.gibbs import require_numbers, sample_without_replacement
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, OneSampleScore, Pool
from softal_bench.contracts.acquisition import require_batch_fits

from .bald import BALD


@dataclass(frozen=True)
class StochasticRule(AcquisitionFunction):
    """A rule that turns scores_N into log-weights_N, from which the batch is drawn.

    T -> 0 tends to the top B of the score, T -> infinity to uniform; T itself is positive and finite. The scores of the
    acquired batch are those of the one-sample score.
    """

    score: OneSampleScore = field(default_factory=BALD)
    temperature: float = field(default=0.125, metadata={"symbol": "T"})

    citation = "Kirsch et al. 2021, arXiv:2106.12059; TMLR 2023"
    cost = "that of the score, and O(N log N) time"
    stochastic = True

    def __post_init__(self) -> None:
        if not (0 < self.temperature < math.inf and math.isfinite(1 / self.temperature)):
            raise ValueError(f"temperature is {self.temperature}; it must be positive and finite, and so must 1/T")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """What the score needs."""
        return self.score.needs

    @property
    def least_samples(self) -> int:  # type: ignore[override]
        """What the score needs."""
        return self.score.least_samples

    @abstractmethod
    def log_weights(self, scores_N: Tensor, generator: torch.Generator) -> Tensor:
        """Unnormalised log p_i, float64; -inf for points that come last."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        scores_N = self.score.scores(pool).double()
        require_numbers(scores_N)
        positions_B = sample_without_replacement(self.log_weights(scores_N, generator), batch_size, generator)
        return AcquiredBatch(positions_B, scores_N[positions_B])
