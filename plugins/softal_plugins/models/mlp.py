import math
from dataclasses import dataclass, field
from itertools import pairwise

from torch import nn

from softal_bench.bayes.mc_dropout import MCDropout

from ._mc_dropout import MCDropoutModel


@dataclass(frozen=True)
class MLP(MCDropoutModel):
    """A multilayer perceptron with MC dropout, for inputs of any shape, which it flattens.

    For each width in `hidden`: linear, ReLU, dropout. Then linear to C, log-softmax. Its embeddings are the last hidden
    layer. Without hidden layers it is a softmax regression, and its embeddings are the flattened inputs.

    With dropout 0 there is no dropout layer: the network is deterministic, and its posterior samples are all equal. It
    then does not represent its own uncertainty, but it is suitable as a member of `ensemble`.

    Raises:
        ValueError: if a width is not positive, dropout is outside [0, 1), or there is dropout but no hidden layer.
    """

    hidden: tuple[int, ...] = field(default=(256, 256), metadata={"meaning": "widths of the hidden layers, in order"})
    dropout: float = field(
        default=0.5, metadata={"meaning": "the probability that a hidden feature is dropped; 0 for a deterministic one"}
    )

    citation = "Rumelhart, Hinton and Williams 1986; MC dropout: Gal and Ghahramani 2016, arXiv:1506.02142"

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden is {list(self.hidden)}; each width must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must be at least 0 and below 1")
        if self.dropout and not self.hidden:
            raise ValueError(f"dropout is {self.dropout}, but with no hidden layer nothing is dropped; set it to 0")

    @property
    def evaluation_samples(self) -> int:
        """The default number of posterior samples; 1 without dropout, since all samples are equal."""
        return super().evaluation_samples if self.dropout else 1

    def network(self, num_classes: int, shape: tuple[int, ...]) -> nn.Sequential:
        features = math.prod(shape)
        layers: list[nn.Module] = [nn.Flatten()]
        for width_in, width in pairwise([features, *self.hidden]):
            layers += [nn.Linear(width_in, width), nn.ReLU(inplace=True)]
            if self.dropout:
                layers.append(MCDropout(width, self.dropout))
        last = self.hidden[-1] if self.hidden else features
        return nn.Sequential(*layers, nn.Linear(last, num_classes), nn.LogSoftmax(dim=-1))
