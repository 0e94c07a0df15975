from dataclasses import dataclass

from torch import Tensor

from softal_bench.bayes import information
from softal_bench.contracts import OneSampleScore


@dataclass(frozen=True)
class MeanStd(OneSampleScore):
    """Mean over classes of sigma_c = sqrt(mean_k p_kc² - p̄_c²), the disagreement of samples, in [0, sqrt(C - 1) / C].

    The sum over classes of unbiased deviations, as in the journal version of arXiv:2106.12059, is larger by the factor
    C sqrt(K / (K - 1)) at every point: it gives the same order, and corresponds to another temperature under softmax.
    """

    least_samples = 2
    citation = (
        "Kampffmeyer, Salberg and Jenssen 2016; Kendall, Badrinarayanan and Cipolla 2015, arXiv:1511.02680; as an "
        "acquisition function: Gal, Islam and Ghahramani 2017, arXiv:1703.02910"
    )
    cost = "O(N K C) time, O(N) memory"

    def score_chunk(self, log_probs_n_K_C: Tensor) -> Tensor:
        return information.mean_std(log_probs_n_K_C)
