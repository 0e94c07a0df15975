from dataclasses import dataclass, field

import torch

from softal_bench.bayes.batch_bald import batch_epig_bald, batch_epig_bald_bytes
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits


@dataclass(frozen=True)
class BatchEPIGBALD(AcquisitionFunction):
    """Greedy argmax of BatchBALD under the model minus BatchBALD under the evaluation posterior.

    Each term has its own label configurations, exact while C^i <= M; after that, M//K are drawn for each of its
    posterior samples. The difference is not submodular, so the batch has no guarantee. Upper bounds of the first term
    minus lower bounds of the second rule out most points; see `softal_bench.bayes.batch_bald`. The scores are the gains
    of each point given the earlier points, in nats; they may be negative.
    """

    joint_samples: int = field(
        default=100_000,
        metadata={"symbol": "M", "meaning": "label configurations kept of the batch in each term, at most"},
    )

    needs = frozenset({"evaluation"})
    least_samples = 2
    citation = "Kirsch et al. 2021, arXiv:2106.12059, first version"
    cost = (
        "O(N K C) time for each of two posteriors, O(M K C) more for each point that bounds do not rule out, and the "
        "distillation; twice the memory of batchbald"
    )
    stochastic = True  # once label configurations are drawn
    revision = 2

    def __post_init__(self) -> None:
        if self.joint_samples < 1:
            raise ValueError(f"joint_samples is {self.joint_samples}; need at least 1 label configuration")

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        positions_B, gains_B = batch_epig_bald(pool, pool.evaluation, batch_size, self.joint_samples, generator)
        return AcquiredBatch(positions_B, gains_B)

    def peak_bytes(self, pool_size: int, num_samples: int, num_classes: int, batch_size: int) -> int:
        return batch_epig_bald_bytes(pool_size, num_samples, num_classes, batch_size, self.joint_samples)
