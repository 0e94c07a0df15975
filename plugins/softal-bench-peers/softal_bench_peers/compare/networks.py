"""The LeNet as it is usually written: for training with PyTorch's own dropout, for prediction with batchbald_redux's.

Convolution, channel dropout, max-pooling, ReLU, in the order of the paper's description and of its authors' code; the
inputs are replicated K times for K consistent masks.
"""

from collections.abc import Iterator

import torch
from batchbald_redux.consistent_mc_dropout import BayesianModule, ConsistentMCDropout, ConsistentMCDropout2d
from torch import Tensor, nn

from softal_bench.bayes.mc_dropout import Masks


def plain_network(dropout: float = 0.5) -> nn.Sequential:
    """The network for training, ending in log-probs."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 5),
        nn.Dropout2d(dropout),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(32, 64, 5),
        nn.Dropout2d(dropout),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 128),
        nn.Dropout(dropout),
        nn.ReLU(),
        nn.Linear(128, 10),
        nn.LogSoftmax(dim=-1),
    )


class ReplicatedNetwork(BayesianModule):  # type: ignore[misc]
    """The network for prediction: batchbald_redux's module, which runs K copies of each input.

    Args:
        source: a LeNet whose weights are copied, in the same order of layers.
        masks: one masks_K_F for each of its three dropout layers; 0 where dropped.
    """

    def __init__(self, source: nn.Module, masks: Masks) -> None:
        super().__init__()
        plain = plain_network()
        copy_weights(source, plain)
        dropouts: Iterator[nn.Module] = iter(
            [ConsistentMCDropout2d(0.5), ConsistentMCDropout2d(0.5), ConsistentMCDropout(0.5)]
        )
        layers = [next(dropouts) if isinstance(layer, nn.Dropout | nn.Dropout2d) else layer for layer in plain]
        self.layers = nn.Sequential(*layers).to(masks[0].device)
        self.num_samples = len(masks[0])
        self.eval()
        self._set_masks(masks)

    def mc_forward_impl(self, mc_input_BK: Tensor) -> Tensor:
        log_probs: Tensor = self.layers(mc_input_BK)
        return log_probs

    @torch.no_grad()
    def log_probs(self, inputs: Tensor, chunk_size: int) -> Tensor:
        """log_probs_n_K_C, so many inputs at a time."""
        return torch.cat([self(inputs_n, self.num_samples) for inputs_n in torch.split(inputs, chunk_size)])

    def _set_masks(self, masks: Masks) -> None:
        layers = [layer for layer in self.layers if isinstance(layer, ConsistentMCDropout | ConsistentMCDropout2d)]
        for layer, masks_K_F in zip(layers, masks, strict=True):
            dropped_1_K_F = (masks_K_F == 0).unsqueeze(0)
            of_channels = isinstance(layer, ConsistentMCDropout2d)
            layer.mask = dropped_1_K_F[..., None, None] if of_channels else dropped_1_K_F


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy weights and biases between two networks with the same weighted layers in the same order."""
    with torch.no_grad():
        for theirs, ours in zip(target.parameters(), source.parameters(), strict=True):
            theirs.copy_(ours)
