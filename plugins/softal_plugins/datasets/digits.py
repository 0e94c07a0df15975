import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.contracts.dataset import count_overlap

_TEST_SIZE = 500


@dataclass(frozen=True)
class Digits(Dataset):
    """The handwritten digits that scikit-learn includes: 1797 images of 8x8, 10 classes, no download.

    Pixels are divided by 16, then standardised with the mean and standard deviation of all training pixels. The test
    set consists of 500 images, stratified by class and always the same.
    """

    citation = "Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI"

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        return _splits()


@cache
def _splits() -> Splits:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images, labels = digits.images / 16.0, digits.target
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=_TEST_SIZE, stratify=labels, random_state=0
    )
    mean, std = train_x.mean(), train_x.std()
    train, test = (
        Examples(torch.tensor((x - mean) / std, dtype=torch.float32).unsqueeze(1), torch.tensor(y), 10)
        for x, y in ((train_x, train_y), (test_x, test_y))
    )
    sha256 = hashlib.sha256(digits.images.tobytes() + labels.tobytes()).hexdigest()
    overlap = count_overlap(train.inputs, test.inputs)
    return Splits(train, test, Provenance("digits", len(train_y), sha256), overlap=overlap)
