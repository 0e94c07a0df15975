from dataclasses import dataclass, field

import torch

from softal_bench.bayes.batch_bald import batch_bald, batch_bald_bytes
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits


@dataclass(frozen=True)
class BatchBALD(AcquisitionFunction):
    """Greedy argmax of I[Y_1..Y_B; Ω], the mutual information of all labels of the batch with the weights.

    Gains are exact while there are C^i <= M label configurations. After that, they are estimated from M//K drawn
    configurations per posterior sample. The search is accelerated by upper bounds that rule out most points; see
    `softal_bench.bayes.batch_bald`. The scores are the gains of each point given the earlier points, in nats.
    """

    joint_samples: int = field(
        default=100_000, metadata={"symbol": "M", "meaning": "label configurations kept of the batch, at most"}
    )

    least_samples = 2
    citation = "Kirsch, van Amersfoort and Gal 2019, arXiv:1906.08158"
    cost = "O(N K C) time, O(M K C) more for each point that bounds do not rule out; O(M K) memory and 0.5 GiB at most"
    stochastic = True  # once label configurations are drawn
    revision = 2

    def __post_init__(self) -> None:
        if self.joint_samples < 1:
            raise ValueError(f"joint_samples is {self.joint_samples}; need at least 1 label configuration")

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        positions_B, gains_B = batch_bald(pool, batch_size, self.joint_samples, generator)
        return AcquiredBatch(positions_B, gains_B)

    def peak_bytes(self, pool_size: int, num_samples: int, num_classes: int, batch_size: int) -> int:
        return batch_bald_bytes(pool_size, num_samples, num_classes, batch_size, self.joint_samples)
