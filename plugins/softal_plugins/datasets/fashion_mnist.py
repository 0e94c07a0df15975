from dataclasses import dataclass

from torchvision import datasets

from ._torchvision import Files
from ._torchvision_images import TorchvisionImages

_FILES = Files(
    "fashion_mnist",
    "FashionMNIST/raw",
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    datasets.FashionMNIST,
)


@dataclass(frozen=True)
class FashionMNIST(TorchvisionImages):
    """Fashion-MNIST: 60 000 training and 10 000 test images of clothing, 28x28, 10 classes.

    Pixels are divided by 255, then standardised with the mean and standard deviation of all training pixels, measured
    when they are read. The files are read through torchvision from `FashionMNIST/raw` under the data folder, and
    downloaded there if missing.
    """

    citation = "Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747"

    @property
    def files(self) -> Files:
        return _FILES
