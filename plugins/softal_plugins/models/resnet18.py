from dataclasses import dataclass, field

from torch import nn

from softal_bench.bayes.mc_dropout import MCDropout
from softal_bench.errors import DataError

from ._mc_dropout import MCDropoutModel

_SMALLEST = 8  # pixels along a side; smaller images vanish before the last stage


@dataclass(frozen=True)
class ResNet18(MCDropoutModel):
    """ResNet-18 for small colour images, with MC dropout only in its head, as in the paper's CIFAR-10 experiments.

    torchvision's ResNet-18 with the usual stem for 32x32 images (convolution 3x3 of stride 1, no max-pooling), then
    dropout, linear 512->256, ReLU, dropout, linear 256->256, linear 256->C, log-softmax. The trunk has no dropout, so
    it runs once for all K masks.
    """

    dropout: float = field(default=0.5, metadata={"meaning": "the probability that a feature of the head is dropped"})

    citation = "He, Zhang, Ren and Sun 2016, arXiv:1512.03385; head and stem: Kirsch et al. 2021, arXiv:2106.12059"

    def network(self, num_classes: int, shape: tuple[int, ...] = (3, 32, 32)) -> nn.Sequential:
        if len(shape) != 3 or min(shape[1:]) < _SMALLEST:
            raise DataError(
                f"resnet18 takes images of at least {_SMALLEST}x{_SMALLEST}; this data set's inputs have shape {shape}"
            )
        from torchvision.models import resnet18

        trunk = resnet18(weights=None)
        trunk.conv1 = nn.Conv2d(shape[0], 64, 3, stride=1, padding=1, bias=False)
        trunk.maxpool = nn.Identity()
        trunk.fc = nn.Identity()
        return nn.Sequential(
            trunk,
            MCDropout(512, self.dropout),
            nn.Linear(512, 256),
            nn.ReLU(inplace=True),
            MCDropout(256, self.dropout),
            nn.Linear(256, 256),
            nn.Linear(256, num_classes),
            nn.LogSoftmax(dim=-1),
        )
