from dataclasses import dataclass

import torch

from softal_bench.bayes.sampling import best_under_samples, draw_samples
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits


@dataclass(frozen=True)
class ThompsonBALD(AcquisitionFunction):
    """The i-th pick maximises H[p̄_n] - H[p_nk] under the i-th drawn posterior sample k, among the points not yet taken.

    The mean of this term over all k is BALD, H[p̄_n] - mean_k H[p_nk]; under one sample it may be negative. Samples are
    drawn uniformly, and none is repeated before all K were drawn, so that for B <= K the batch consists of B
    independent draws from the posterior. Ties go to the lower position. The scores are the terms, in nats, in
    [-log C, log C].
    """

    least_samples = 2
    stochastic = True
    citation = "Kirsch et al. 2023, TMLR, the journal version of arXiv:2106.12059; Thompson 1933"
    cost = "O(N K C) time in one pass, O(B min(B, K)) memory and a chunk's"

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        samples_B = draw_samples(pool.num_samples, batch_size, generator)
        positions_B, terms_B = best_under_samples(pool, samples_B)
        return AcquiredBatch(positions_B, terms_B)
