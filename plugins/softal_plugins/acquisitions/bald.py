from dataclasses import dataclass

from torch import Tensor

from softal_bench.bayes import information
from softal_bench.contracts import OneSampleScore


@dataclass(frozen=True)
class BALD(OneSampleScore):
    """I[Y; Ω | x_n] = H[p̄_n] - mean_k H[p_nk], the information of a label about the weights, in nats, in [0, log C]."""

    least_samples = 2
    citation = "Houlsby et al. 2011, arXiv:1112.5745; for deep active learning: Gal, Islam and Ghahramani 2017"
    cost = "O(N K C) time, O(N) memory"

    def score_chunk(self, log_probs_n_K_C: Tensor) -> Tensor:
        return information.bald(log_probs_n_K_C)
