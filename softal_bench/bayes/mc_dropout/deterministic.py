"""The evaluation of a network without dropout: its K posterior samples are one and the same."""

import torch
from torch import Tensor, nn

from softal_bench.contracts import Posterior


class DeterministicPosterior(Posterior):
    """K equal samples of a network without MCDropout layers; it runs once for all of them."""

    def __init__(self, network: nn.Module, num_samples: int) -> None:
        self._network = network.eval()
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        return self._num_samples

    @torch.no_grad()
    def log_probs(self, inputs: Tensor) -> Tensor:
        log_probs_n_C: Tensor = self._network(inputs)
        return log_probs_n_C.unsqueeze(1).repeat(1, self._num_samples, 1)
