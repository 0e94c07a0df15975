from dataclasses import dataclass, field

import torch
from torch import nn

from softal_bench.bayes.mc_dropout import MCDropout
from softal_bench.bayes.training import fit_mc_dropout
from softal_bench.contracts import BayesianModel, Examples, FittedModel, TrainingRegime

from ._checks import require_dropout, require_shape


@dataclass(frozen=True)
class LeNet5(BayesianModel):
    """LeNet-5 with MC dropout, for 28x28 images of one channel, as in the paper.

    Convolution 5x5 1->32, channel dropout, max-pooling 2, ReLU; convolution 5x5 32->64, channel dropout, max-pooling 2,
    ReLU; linear 1024->128, dropout, ReLU; linear 128->C, log-softmax. Dropout is placed after pooling and ReLU: a mask
    is a factor >= 0 and commutes with both, so it is the same function with less work.
    """

    dropout: float = field(default=0.5, metadata={"meaning": "the probability that a channel or feature is dropped"})

    citation = "LeCun et al. 1998; with MC dropout: Kirsch et al. 2019, arXiv:1906.08158"
    revision = 3

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
        require_shape("lenet5", (1, 28, 28), labelled)
        return fit_mc_dropout(
            lambda: self.network(labelled.num_classes), labelled, validation, training, device, generator
        )

    def network(self, num_classes: int) -> nn.Sequential:
        """The network with fresh weights from the global generator (the framework's default initialisation)."""
        return nn.Sequential(
            nn.Conv2d(1, 32, 5),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            MCDropout(32, self.dropout),
            nn.Conv2d(32, 64, 5),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            MCDropout(64, self.dropout),
            nn.Flatten(),
            nn.Linear(1024, 128),
            nn.ReLU(inplace=True),
            MCDropout(128, self.dropout),
            nn.Linear(128, num_classes),
            nn.LogSoftmax(dim=-1),
        )
