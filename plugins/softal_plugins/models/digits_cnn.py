from dataclasses import dataclass, field

import torch
from torch import nn

from softal_bench.bayes.mc_dropout import MCDropout
from softal_bench.bayes.training import fit_mc_dropout
from softal_bench.contracts import BayesianModel, Examples, FittedModel, TrainingRegime

from ._checks import require_dropout, require_shape


@dataclass(frozen=True)
class DigitsCNN(BayesianModel):
    """A small network with MC dropout for 8x8 images of one channel.

    Convolution 3x3 1->32, channel dropout, max-pooling 2, ReLU; linear 288->C, log-softmax.
    """

    dropout: float = field(default=0.5, metadata={"meaning": "the probability that a channel is dropped"})

    revision = 2

    def __post_init__(self) -> None:
        require_dropout(self.dropout)

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        require_shape("digits_cnn", (1, 8, 8), labelled)
        return fit_mc_dropout(
            lambda: self.network(labelled.num_classes), labelled, validation, training, device, generator
        )

    def network(self, num_classes: int) -> nn.Sequential:
        """The network with fresh weights from the global generator (the framework's default initialisation)."""
        return nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            MCDropout(32, self.dropout),
            nn.Flatten(),
            nn.Linear(288, num_classes),
            nn.LogSoftmax(dim=-1),
        )
