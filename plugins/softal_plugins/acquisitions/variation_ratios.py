from dataclasses import dataclass

from torch import Tensor

from softal_bench.bayes import information
from softal_bench.contracts import OneSampleScore, Pool

from ._streaming import streamed_scores


@dataclass(frozen=True)
class VariationRatios(OneSampleScore):
    """1 - max_c p̄_nc with p̄ = mean_k p_k: the probability that the most probable class is wrong, in [0, 1 - 1/C]."""

    citation = "Freeman 1965; for deep active learning: Gal, Islam and Ghahramani 2017"
    cost = "O(N K C) time, O(N) memory"

    def scores(self, pool: Pool) -> Tensor:
        return streamed_scores(pool, information.variation_ratios)
