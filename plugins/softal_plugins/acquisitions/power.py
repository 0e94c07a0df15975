from dataclasses import dataclass

import torch
from torch import Tensor

from ._stochastic_rule import GibbsRule


@dataclass(frozen=True)
class Power(GibbsRule):
    """p_i proportional to s_i^(1/T), with negative scores set to 0; points with score 0 come last, in random order."""

    def log_weights(self, scores_N: Tensor, generator: torch.Generator) -> Tensor:
        return scores_N.clamp_min(0).log() / self.temperature
