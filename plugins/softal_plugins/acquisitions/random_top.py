import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ._stochastic_rule import StochasticRule


@dataclass(frozen=True)
class RandomTop(StochasticRule):
    """B points drawn uniformly without replacement from the r B points with the best scores, or from all if N < r B.

    r = 1 is the top B of the score, r >= N / B is uniform; r B is rounded to the nearest whole number. If several
    points are tied for the last of the r B places, the lower positions are included.
    """

    ratio: float = field(
        default=10.0, metadata={"symbol": "r", "meaning": "points drawn from, as a multiple of B; at least 1"}
    )

    citation = "the preselection of Zhdanov 2019, arXiv:1902.05917, which clusters where this draws at random"
    cost = "that of the score, and O(N log N) time"

    def __post_init__(self) -> None:
        if not 1 <= self.ratio < math.inf:
            raise ValueError(f"ratio is {self.ratio}; it must be finite and at least 1")

    def draw(self, scores_N: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
        best = round(min(self.ratio * batch_size, len(scores_N)))
        order_N = torch.sort(scores_N, descending=True, stable=True).indices
        chosen_B = torch.randperm(best, generator=generator)[:batch_size]
        return order_N[:best][chosen_B.to(order_N.device)]
