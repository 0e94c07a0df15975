from dataclasses import dataclass, field

from torch import nn

from softal_bench.bayes.mc_dropout import MCDropout

from ._mc_dropout import MCDropoutModel, require_shape

_SHAPE = (1, 8, 8)


@dataclass(frozen=True)
class DigitsCNN(MCDropoutModel):
    """A small network with MC dropout for 8x8 images of one channel.

    Convolution 3x3 1->32, channel dropout, max-pooling 2, ReLU; linear 288->C, log-softmax.
    """

    dropout: float = field(default=0.5, metadata={"meaning": "the probability that a channel is dropped"})

    revision = 2

    def network(self, num_classes: int, shape: tuple[int, ...] = _SHAPE) -> nn.Sequential:
        require_shape("digits_cnn", _SHAPE, shape)
        return nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            MCDropout(32, self.dropout),
            nn.Flatten(),
            nn.Linear(288, num_classes),
            nn.LogSoftmax(dim=-1),
        )
