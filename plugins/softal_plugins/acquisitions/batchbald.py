from dataclasses import dataclass, field

import torch

from softal_bench.bayes.joint_entropy import batch_bald
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits


@dataclass(frozen=True)
class BatchBALD(AcquisitionFunction):
    """Greedy argmax of I[Y_1..Y_B; Ω], the mutual information of all labels of the batch with the weights.

    Joint entropies are exact while C^i <= M label configurations, estimated from M//K drawn ones a posterior sample
    after that; conditional entropies are exact. The scores are the gains of each point given those before it, in nats.
    """

    joint_samples: int = field(default=100_000, metadata={"symbol": "M"})

    citation = "Kirsch, van Amersfoort and Gal 2019, arXiv:1906.08158"
    cost = "O(B N M K C) time; N x K x C log-probs and M x K probabilities in memory"
    stochastic = True  # once label configurations are drawn

    def __post_init__(self) -> None:
        if self.joint_samples < 1:
            raise ValueError(f"joint_samples is {self.joint_samples}; need at least 1 label configuration")

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        log_probs_N_K_C = torch.cat([log_probs_n_K_C for _, log_probs_n_K_C in pool.log_probs()])
        positions_B, gains_B = batch_bald(log_probs_N_K_C, batch_size, self.joint_samples, generator)
        return AcquiredBatch(positions_B, gains_B)
