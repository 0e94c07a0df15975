from dataclasses import dataclass

from torch import Tensor

from softal_bench.bayes import information
from softal_bench.contracts import OneSampleScore, Pool

from ._streaming import streamed_scores


@dataclass(frozen=True)
class BALD(OneSampleScore):
    """I[Y; Ω | x_n] = H[p̄_n] - mean_k H[p_nk], in nats, in [0, log C]: what a label tells about the weights."""

    least_samples = 2
    citation = "Houlsby et al. 2011, arXiv:1112.5745; for deep active learning: Gal, Islam and Ghahramani 2017"
    cost = "O(N K C) time, O(N) memory"

    def scores(self, pool: Pool) -> Tensor:
        return streamed_scores(pool, information.bald)
