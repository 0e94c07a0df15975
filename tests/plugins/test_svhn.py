"""SVHN: files in the original format, whose checksums torchvision is made to expect."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from softal_plugins.datasets.svhn import SVHN
from torchvision import datasets

from softal_bench.contracts import Splits
from softal_bench.errors import DataError, DataMissingError

RNG = np.random.default_rng(0)
TRAIN, TEST = (RNG.integers(0, 256, (count, 3, 32, 32)).astype(np.uint8) for count in (4, 3))
LABELS = {"train": [10, 1, 9, 4], "test": [10, 2, 1]}  # the files store the digit 0 as 10


def load(root: Path) -> Splits:
    return SVHN().load(root, torch.Generator())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write four training and three test images in the authors' layout, [rows, columns, colours, images]."""
    files = tmp_path / "SVHN"
    files.mkdir()
    expected = {}
    for part, pixels in (("train", TRAIN), ("test", TEST)):
        path = files / f"{part}_32x32.mat"
        labels = np.array(LABELS[part], dtype=np.uint8)[:, None]
        savemat(path, {"X": pixels.transpose(2, 3, 1, 0), "y": labels}, do_compression=True)
        expected[part] = [str(path), path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(datasets.SVHN, "split_list", expected)
    return files


@pytest.mark.usefixtures("folder")
def test_each_colour_is_standardised_with_the_training_set(tmp_path: Path) -> None:
    splits = load(tmp_path)
    scaled = TRAIN / 255
    mean, std = (statistic(axis=(0, 2, 3), keepdims=True) for statistic in (scaled.mean, scaled.std))
    assert splits.train.inputs.numpy() == pytest.approx((scaled - mean) / std, abs=1e-5)
    assert splits.test.inputs.numpy() == pytest.approx((TEST / 255 - mean) / std, abs=1e-5)
    assert splits.train.inputs.is_contiguous()


@pytest.mark.usefixtures("folder")
def test_the_digit_0_has_label_0(tmp_path: Path) -> None:
    splits = load(tmp_path)
    assert splits.train.labels.tolist() == [0, 1, 9, 4]
    assert splits.test.labels.tolist() == [0, 2, 1]
    assert splits.train.num_classes == 10


def test_the_provenance_has_the_hash_of_both_files(folder: Path, tmp_path: Path) -> None:
    provenance = load(tmp_path).provenance
    assert (provenance.name, provenance.size) == ("svhn", 4)
    both = (folder / "train_32x32.mat").read_bytes() + (folder / "test_32x32.mat").read_bytes()
    assert provenance.sha256 == hashlib.sha256(both).hexdigest()


@pytest.mark.parametrize("lacking", ["train_32x32.mat", "test_32x32.mat"])
def test_the_error_for_a_missing_file_names_it_and_its_folder(folder: Path, tmp_path: Path, lacking: str) -> None:
    (folder / lacking).unlink()
    with pytest.raises(DataMissingError, match=f"svhn: {lacking} not found in {folder}.*--data-dir"):
        load(tmp_path)


@pytest.mark.parametrize("changed", ["train_32x32.mat", "test_32x32.mat"])
def test_the_error_for_a_modified_file_names_the_folder(folder: Path, tmp_path: Path, changed: str) -> None:
    (folder / changed).write_bytes(b"no .mat file")
    with pytest.raises(DataError, match=f"svhn: the files under {folder} cannot be read as SVHN: .*corrupted"):
        load(tmp_path)


def test_both_files_are_fetched_into_their_own_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied(url: str, root: str, filename: str, md5: str) -> None:
        Path(root).mkdir(exist_ok=True)
        shutil.copy(url, Path(root) / filename)

    monkeypatch.setattr("torchvision.datasets.svhn.download_url", copied)
    root = tmp_path / "data"
    SVHN().prepare(root)
    assert sorted(path.name for path in (root / "SVHN").iterdir()) == ["test_32x32.mat", "train_32x32.mat"]
    assert torch.equal(load(root).train.inputs, load(folder.parent).train.inputs)
