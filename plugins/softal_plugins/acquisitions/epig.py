from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.epig import epig
from softal_bench.contracts import OneSampleScore, Pool
from softal_bench.contracts.acquisition import scores_by_chunk


@dataclass(frozen=True)
class EPIG(OneSampleScore):
    """E_x*[ I[Y; Y* | x_n, x*] ], the information of a label about labels at target inputs x*, in nats, in [0, log C].

    The expectation is the mean over the M targets of the pool. Both predictions come from the same K posterior samples,
    p(y, y*) = mean_k p_k(y | x) p_k(y* | x*). EPIG therefore counts only information about the weights that is relevant
    to the target inputs, whereas BALD counts all information about the weights.
    """

    needs = frozenset({"targets"})
    least_samples = 2
    citation = "Bickford Smith, Kirsch, Farquhar, Gal, Foster and Rainforth 2023, arXiv:2304.08151"
    cost = "O(N M K C²) time for M targets, O(N + M K C) memory"

    def scores(self, pool: Pool) -> Tensor:
        target_log_probs_M_K_C = torch.cat([log_probs_m_K_C for _, log_probs_m_K_C in pool.targets.log_probs()])
        return scores_by_chunk(pool, lambda log_probs_n_K_C: epig(log_probs_n_K_C, target_log_probs_M_K_C))
