"""The acquisition function example."""

from dataclasses import dataclass, field

import torch
from softal_bench.contracts import OneSampleScore, Pool
from torch import Tensor


@dataclass(frozen=True)
class Example(OneSampleScore):
    """The score 1 - sum_c p̄_c^power of the mean prediction p̄ = mean_k p_k.

    At power 2 it is the probability that two labels drawn from p̄ differ. A larger score means a less certain prediction,
    and the score is 0 if p̄ is one-hot. N is the number of pool points, K of posterior samples, and C of classes.
    """

    power: float = field(default=2.0, metadata={"meaning": "Above 1; a larger power gives small p̄ less weight."})

    citation = "Gini 1912"
    cost = "O(N K C) time, O(N) memory"

    def __post_init__(self) -> None:
        if not 1 < self.power < float("inf"):
            raise ValueError(f"power is {self.power}; it must be above 1 and finite")

    def scores(self, pool: Pool) -> Tensor:
        scores_N = torch.empty(pool.size, dtype=torch.float64, device=pool.device)
        for positions_n, log_probs_n_K_C in pool.log_probs():
            probs_n_C = log_probs_n_K_C.double().exp().mean(dim=1)
            scores_N[positions_n] = 1 - probs_n_C.pow(self.power).sum(dim=-1)
        return scores_N
