from dataclasses import dataclass

from torch import Tensor

from softal_bench.bayes import information
from softal_bench.contracts import OneSampleScore


@dataclass(frozen=True)
class Entropy(OneSampleScore):
    """Predictive entropy H[p̄_n] with p̄ = mean_k p_k, in nats, in [0, log C]."""

    citation = "Shannon 1948; as an acquisition function: Lewis and Gale 1994"
    cost = "O(N K C) time, O(N) memory"

    def score_chunk(self, log_probs_n_K_C: Tensor) -> Tensor:
        return information.entropy(log_probs_n_K_C)
