from dataclasses import dataclass

import torch

from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits


@dataclass(frozen=True)
class Uniform(AcquisitionFunction):
    """B points drawn uniformly without replacement, the baseline that any method has to beat. Reads no log-probs."""

    stochastic = True
    ranks_points = False
    cost = "O(N) time and memory, no prediction"

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        positions_B = torch.randperm(pool.size, generator=generator)[:batch_size].to(pool.device)
        return AcquiredBatch(positions_B, torch.zeros(batch_size, dtype=torch.float64, device=pool.device))
