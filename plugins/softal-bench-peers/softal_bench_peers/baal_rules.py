"""baal's stochastic heuristics over its own BALD: `baal.active.heuristics.stochastics`."""

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits

from ._global_state import seeded_globals, without_import_warnings
from ._pool_tensors import probs_array
from .baal_scores import heuristics


@dataclass(frozen=True)
class _BaalRule(AcquisitionFunction):
    """B draws without replacement with probabilities p_N made from baal's BALD, one after another among those left.

    Where fewer than B points have p > 0, for underflow too, or a p is NaN, baal says so on standard output and draws
    the whole batch uniformly from all points. The scores of the acquired batch are their p.
    """

    temperature: float = field(default=0.125, metadata={"symbol": "T"})

    citation = "baal 2; Kirsch et al., TMLR 2023, arXiv:2106.12059"
    cost = "that of BALD, and O(N) time a round of draws"
    stochastic = True

    def __post_init__(self) -> None:
        if not (0 < self.temperature < math.inf and math.isfinite(1 / self.temperature)):
            raise ValueError(f"temperature is {self.temperature}; it must be positive and finite, and so must 1/T")

    @abstractmethod
    def sampling(self, stochastics: Any) -> Any:
        """Return baal's class, from its module."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        with without_import_warnings():
            from baal.active.heuristics import stochastics

        rule = self.sampling(stochastics)(heuristics().BALD(), batch_size, self.temperature)
        with seeded_globals(generator, pool.device), np.errstate(all="ignore"):
            positions_B, probs_N = rule.get_ranks(probs_array(pool))
        return AcquiredBatch(
            torch.from_numpy(positions_B).to(pool.device),
            torch.from_numpy(probs_N[positions_B]).double().to(pool.device),
        )


@dataclass(frozen=True)
class BaalPower(_BaalRule):
    """PowerSampling: p_i proportional to s_i^(1/T), s BALD, as the paper defines Power.

    It differs where scores are not positive: a score that is negative by rounding is NaN to a power that is no whole
    number, which makes the whole batch uniform; and so do fewer than B positive scores, where the paper's rule takes
    these first.
    """

    def sampling(self, stochastics: Any) -> Any:
        return stochastics.PowerSampling


@dataclass(frozen=True)
class BaalSoftmax(_BaalRule):
    """GibbsSampling: p_i proportional to exp(s_i / T), s BALD, as the paper defines Softmax in equation 2.

    It differs at low T: differences above about 745 T underflow to p = 0, so that few points are left to draw from.
    """

    def sampling(self, stochastics: Any) -> Any:
        return stochastics.GibbsSampling


@dataclass(frozen=True)
class BaalSoftrank(_BaalRule):
    """RankBasedSampling: p_i proportional to rank_i^(-1/T), rank 1 the best BALD, as the paper defines Softrank.

    It differs in ties, which share their mean rank instead of being ranked at random.
    """

    def sampling(self, stochastics: Any) -> Any:
        return stochastics.RankBasedSampling
