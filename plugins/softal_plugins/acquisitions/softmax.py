from dataclasses import dataclass

import torch
from torch import Tensor

from ._stochastic_rule import GibbsRule


@dataclass(frozen=True)
class Softmax(GibbsRule):
    """p_i proportional to exp(s_i / T), equation 2 of the paper, for any one-sample score s."""

    def log_weights(self, scores_N: Tensor, generator: torch.Generator) -> Tensor:
        return (scores_N - scores_N.max()) / self.temperature  # at most 0, so that no T overflows
