from dataclasses import dataclass

import torch
from torch import nn

from softal_bench.bayes.mc_dropout import MCDropout
from softal_bench.bayes.training import fit_mc_dropout
from softal_bench.contracts import BayesianModel, Examples, FittedModel, TrainingRegime
from softal_bench.errors import DataError


@dataclass(frozen=True)
class DigitsCNN(BayesianModel):
    """A small network with MC dropout for 8x8 images of one channel.

    Convolution 3x3 1->32, channel dropout, max-pooling 2, ReLU; linear 288->C, log-softmax.
    """

    dropout: float = 0.5

    revision = 2

    def __post_init__(self) -> None:
        if not 0 < self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must be above 0 and below 1")

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        if labelled.inputs.shape[1:] != (1, 8, 8):
            raise DataError(
                f"digits_cnn takes inputs of shape (1, 8, 8); this data set has {tuple(labelled.inputs.shape[1:])}"
            )
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
