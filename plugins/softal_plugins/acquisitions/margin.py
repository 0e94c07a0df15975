from dataclasses import dataclass

from torch import Tensor

from softal_bench.bayes import information
from softal_bench.contracts import OneSampleScore


@dataclass(frozen=True)
class Margin(OneSampleScore):
    """1 - (p̄_(1) - p̄_(2)) with the two largest of p̄ = mean_k p_k, in [0, 1]: large if two classes compete."""

    citation = "Scheffer, Decomain and Wrobel 2001"
    cost = "O(N K C) time, O(N) memory"

    def score_chunk(self, log_probs_n_K_C: Tensor) -> Tensor:
        return information.margin(log_probs_n_K_C)
