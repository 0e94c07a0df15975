"""The digits of scikit-learn, compared with scikit-learn."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from softal_plugins.datasets.digits import Digits

from softal_bench.contracts import Splits

NOWHERE = Path("/nowhere")


def load(seed: int = 0) -> Splits:
    return Digits().load(NOWHERE, torch.Generator().manual_seed(seed))


def digest(splits: Splits) -> str:
    parts = (splits.train.inputs, splits.train.labels, splits.test.inputs, splits.test.labels)
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()


def test_there_are_1297_training_images_and_500_test_images() -> None:
    splits = load()
    assert splits.train.inputs.shape == (1297, 1, 8, 8)
    assert splits.test.inputs.shape == (500, 1, 8, 8)
    assert splits.train.num_classes == splits.test.num_classes == 10
    assert splits.train.inputs.dtype == torch.float32


def test_every_image_of_scikit_learn_is_in_one_part_with_its_label() -> None:
    digits, splits = load_digits(), load()
    parts = [(splits.train, part) for part in (splits.train, splits.test)]
    rows = np.concatenate([part.inputs.flatten(1).numpy() for _, part in parts])
    labels = np.concatenate([part.labels.numpy() for _, part in parts])
    # Standardisation is one affine map of all pixels. It is undone from the smallest and largest pixel, 0 and 16.
    pixels = np.rint((rows - rows.min()) / (rows.max() - rows.min()) * 16).astype(int)
    found = sorted((*row, label) for row, label in zip(pixels.tolist(), labels.tolist(), strict=True))
    expected = sorted(
        (*row, label) for row, label in zip(digits.data.astype(int).tolist(), digits.target.tolist(), strict=True)
    )
    assert found == expected


def test_training_pixels_are_standardised_and_test_pixels_are_scaled_in_the_same_way() -> None:
    splits = load()
    assert splits.train.inputs.double().mean().item() == pytest.approx(0, abs=1e-6)
    assert splits.train.inputs.double().std().item() == pytest.approx(1, abs=1e-4)
    assert splits.test.inputs.min() == splits.train.inputs.min()
    assert splits.test.inputs.max() == splits.train.inputs.max()


def test_the_test_set_is_stratified() -> None:
    of_all, of_test = Counter(load_digits().target.tolist()), Counter(load().test.labels.tolist())
    for label in range(10):
        assert abs(of_test[label] - 500 * of_all[label] / 1797) <= 1


def test_the_split_is_the_same_for_all_generators_and_processes() -> None:
    assert digest(load(0)) == digest(load(1))
    program = "import test_digits as t; print(t.digest(t.load(5)))"
    again = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert again.stdout.strip() == digest(load(0))


def test_the_provenance_has_the_name_size_and_hash_of_the_data() -> None:
    provenance = load().provenance
    assert (provenance.name, provenance.size) == ("digits", 1297)
    digits = load_digits()
    assert provenance.sha256 == hashlib.sha256(digits.images.tobytes() + digits.target.tobytes()).hexdigest()


def test_no_test_image_is_a_training_image() -> None:
    splits = load()
    train, test = ({tuple(row) for row in part.inputs.flatten(1).tolist()} for part in (splits.train, splits.test))
    assert splits.overlap == len(train & test) == 0
