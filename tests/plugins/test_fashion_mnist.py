"""Fashion-MNIST: files in its format, and how all data sets read through torchvision scale bytes."""

import hashlib
from pathlib import Path

import idx_files
import numpy as np
import pytest
import torch
from softal_plugins.datasets._torchvision_images import measured_mean_and_std
from softal_plugins.datasets.fashion_mnist import FashionMNIST

from softal_bench.contracts import Splits
from softal_bench.errors import DataError, DataMissingError

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LABELS = [9, 0, 3, 3, 7]
TRAIN, TEST = idx_files.images(5, seed=0), idx_files.images(2, seed=1)


def load(root: Path) -> Splits:
    return FashionMNIST().load(root, torch.Generator())


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write five training and two test images and return their folder."""
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for part, pixels, labels in (("train", TRAIN, LABELS), ("t10k", TEST, [1, 2])):
        idx_files.write_images(folder / f"{part}-images-idx3-ubyte", pixels)
        idx_files.write_labels(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


@pytest.mark.usefixtures("raw")
def test_images_are_standardised_with_the_training_set(tmp_path: Path) -> None:
    splits = load(tmp_path)
    mean, std = (TRAIN / 255).mean(), (TRAIN / 255).std()
    assert splits.train.inputs.shape == (5, 1, 28, 28)
    assert splits.train.inputs[:, 0].numpy() == pytest.approx((TRAIN / 255 - mean) / std, abs=1e-5)
    assert splits.test.inputs[:, 0].numpy() == pytest.approx((TEST / 255 - mean) / std, abs=1e-5)
    assert (splits.train.labels.tolist(), splits.test.labels.tolist()) == (LABELS, [1, 2])
    assert splits.train.num_classes == splits.test.num_classes == 10


def test_the_provenance_has_the_hash_of_all_four_files(raw: Path, tmp_path: Path) -> None:
    provenance = load(tmp_path).provenance
    assert (provenance.name, provenance.size) == ("fashion_mnist", 5)
    expected = hashlib.sha256(b"".join((raw / name).read_bytes() for name in FILES)).hexdigest()
    assert provenance.sha256 == expected


def test_test_images_that_are_training_images_are_counted(raw: Path, tmp_path: Path) -> None:
    idx_files.write_images(raw / "t10k-images-idx3-ubyte", np.stack([TRAIN[3], TEST[0]]))
    assert load(tmp_path).overlap == 1


@pytest.mark.parametrize("lacking", FILES)
def test_the_error_for_a_missing_file_names_it_and_a_remedy(raw: Path, tmp_path: Path, lacking: str) -> None:
    (raw / lacking).unlink()
    message = f"fashion_mnist: {lacking} not found in .*FashionMNIST/raw.*--data-dir"
    with pytest.raises(DataMissingError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("damaged", FILES)
def test_the_error_names_the_folder_of_a_damaged_file(raw: Path, tmp_path: Path, damaged: str) -> None:
    (raw / damaged).write_bytes((raw / damaged).read_bytes()[:-1])
    with pytest.raises(DataError, match=r"fashion_mnist: .*FashionMNIST/raw"):
        load(tmp_path)


def test_the_error_names_the_folder_of_an_invalid_label(raw: Path, tmp_path: Path) -> None:
    idx_files.write_labels(raw / "t10k-labels-idx1-ubyte", [1, 10])
    with pytest.raises(DataError, match=r"fashion_mnist: in .*FashionMNIST/raw labels run from 1 to 10"):
        load(tmp_path)


def test_a_failed_download_raises_an_error_and_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.FashionMNIST.download", no_network)
    with pytest.raises(DataMissingError, match="no route to host"):
        FashionMNIST().prepare(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_mean_and_standard_deviation_are_measured_for_each_channel() -> None:
    pixels = np.random.default_rng(0).integers(0, [[[200]], [[256]], [[20]]], (50, 3, 8, 8)).astype(np.uint8)
    mean, std = measured_mean_and_std(torch.from_numpy(pixels))
    assert mean.numpy() == pytest.approx((pixels / 255).mean(axis=(0, 2, 3)), rel=1e-6)
    assert std.numpy() == pytest.approx((pixels / 255).std(axis=(0, 2, 3)), rel=1e-6)
