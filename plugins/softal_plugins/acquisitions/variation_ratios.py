from dataclasses import dataclass

from torch import Tensor

from softal_bench.bayes import information
from softal_bench.contracts import OneSampleScore


@dataclass(frozen=True)
class VariationRatios(OneSampleScore):
    """1 - max_c p̄_nc with p̄ = mean_k p_k: the probability that the most probable class is wrong, in [0, 1 - 1/C]."""

    citation = "Freeman 1965; for deep active learning: Gal, Islam and Ghahramani 2017"
    cost = "O(N K C) time, O(N) memory"

    def score_chunk(self, log_probs_n_K_C: Tensor) -> Tensor:
        return information.variation_ratios(log_probs_n_K_C)
