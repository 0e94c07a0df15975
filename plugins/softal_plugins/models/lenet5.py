from dataclasses import dataclass, field

from torch import nn

from softal_bench.bayes.mc_dropout import MCDropout

from ._mc_dropout import MCDropoutModel, require_shape

_SHAPE = (1, 28, 28)


@dataclass(frozen=True)
class LeNet5(MCDropoutModel):
    """LeNet-5 with MC dropout, for 28x28 images of one channel, as in the paper.

    Convolution 5x5 1->32, channel dropout, max-pooling 2, ReLU; convolution 5x5 32->64, channel dropout, max-pooling 2,
    ReLU; linear 1024->128, dropout, ReLU; linear 128->C, log-softmax. The code applies dropout after pooling and ReLU:
    a mask is a factor >= 0 and commutes with both, so this is the same function with less work.
    """

    dropout: float = field(default=0.5, metadata={"meaning": "the probability that a channel or feature is dropped"})

    citation = "LeCun et al. 1998; with MC dropout: Kirsch et al. 2019, arXiv:1906.08158"
    revision = 3

    def network(self, num_classes: int, shape: tuple[int, ...] = _SHAPE) -> nn.Sequential:
        require_shape("lenet5", _SHAPE, shape)
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
