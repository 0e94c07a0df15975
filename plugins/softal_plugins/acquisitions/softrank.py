from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.sampling import ranks

from ._stochastic_rule import GibbsRule


@dataclass(frozen=True)
class Softrank(GibbsRule):
    """p_i proportional to rank_i^(-1/T), where rank 1 is the best score; ties are ranked at random."""

    def log_weights(self, scores_N: Tensor, generator: torch.Generator) -> Tensor:
        return -ranks(scores_N, generator).log() / self.temperature
