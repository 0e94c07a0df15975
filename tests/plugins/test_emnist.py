"""EMNIST: in all six splits, images are upright and labels start at 0."""

import gzip
import shutil
import zipfile
from pathlib import Path

import idx_files
import numpy as np
import pytest
import torch
from softal_plugins.datasets.emnist import EMNIST
from torchvision import datasets

from softal_bench.contracts import Splits
from softal_bench.errors import DataError, DataMissingError

SPLITS = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}
TRAIN, TEST = idx_files.images(3, seed=0), idx_files.images(2, seed=1)


def load(root: Path, split: str) -> Splits:
    return EMNIST(split).load(root, torch.Generator())  # type: ignore[arg-type]


def write(folder: Path, split: str, labels: list[int]) -> None:
    """Write three training and two test images as the authors store them, column by column."""
    for part, pixels in (("train", TRAIN), ("test", TEST)):
        idx_files.write_images(folder / f"emnist-{split}-{part}-images-idx3-ubyte", pixels.transpose(0, 2, 1).copy())
        idx_files.write_labels(folder / f"emnist-{split}-{part}-labels-idx1-ubyte", labels[: len(pixels)])


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    return folder


def copied(url: str, root: str, filename: str, md5: str) -> None:
    """Replace a download by a copy of a local file."""
    shutil.copy(url, Path(root) / filename)


@pytest.mark.parametrize("split", SPLITS)
def test_images_are_upright_and_standardised_with_the_training_set(raw: Path, tmp_path: Path, split: str) -> None:
    write(raw, split, [1, 5, 9])
    splits = load(tmp_path, split)
    scaled, mean, std = TRAIN / 255, (TRAIN / 255).mean(), (TRAIN / 255).std()
    assert splits.train.inputs[:, 0].numpy() == pytest.approx((scaled - mean) / std, abs=1e-5)
    assert splits.test.inputs[:, 0].numpy() == pytest.approx((TEST / 255 - mean) / std, abs=1e-5)
    assert splits.train.inputs.is_contiguous()
    assert splits.provenance.name == f"emnist {split}"


@pytest.mark.parametrize(("split", "num_classes"), SPLITS.items())
def test_labels_run_from_0_to_the_last_class(raw: Path, tmp_path: Path, split: str, num_classes: int) -> None:
    first = 1 if split == "letters" else 0  # as in the files
    write(raw, split, [first, first + num_classes - 1, first + 3])
    splits = load(tmp_path, split)
    assert splits.train.labels.tolist() == [0, num_classes - 1, 3]
    assert splits.test.labels.tolist() == [0, num_classes - 1]
    assert splits.train.num_classes == splits.test.num_classes == num_classes


@pytest.mark.parametrize("split", SPLITS)
def test_the_number_of_classes_matches_torchvision(split: str) -> None:
    named = [name for name in datasets.EMNIST.classes_split_dict[split] if name != "N/A"]
    assert EMNIST(split).num_classes == len(named)  # type: ignore[arg-type]


def test_a_label_of_0_for_a_letter_is_rejected(raw: Path, tmp_path: Path) -> None:
    write(raw, "letters", [1, 0, 3])
    with pytest.raises(DataError, match=r"emnist letters: .*labels run from -1"):
        load(tmp_path, "letters")


def test_the_error_names_the_missing_files_if_only_another_split_exists(raw: Path, tmp_path: Path) -> None:
    write(raw, "digits", [1, 2, 3])
    with pytest.raises(DataMissingError, match=r"emnist letters: emnist-letters-train-images-idx3-ubyte, .*EMNIST/raw"):
        load(tmp_path, "letters")


def test_the_error_names_the_folder_of_damaged_files(raw: Path, tmp_path: Path) -> None:
    write(raw, "digits", [1, 2, 3])
    (raw / "emnist-digits-train-labels-idx1-ubyte").write_bytes(b"no IDX file")
    with pytest.raises(DataError, match=r"emnist digits: .*EMNIST/raw cannot be read as EMNIST"):
        load(tmp_path, "digits")


def test_the_downloaded_archive_is_unpacked_into_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "gzip"
    packed.mkdir()
    write(packed, "digits", [1, 2, 3])
    with zipfile.ZipFile(tmp_path / "gzip.zip", "w") as archive:
        for path in sorted(packed.iterdir()):
            archive.writestr(f"gzip/{path.name}.gz", gzip.compress(path.read_bytes()))
    monkeypatch.setattr(datasets.EMNIST, "url", str(tmp_path / "gzip.zip"))
    monkeypatch.setattr("torchvision.datasets.utils.download_url", copied)
    root = tmp_path / "data"
    EMNIST("digits").prepare(root)
    splits = load(root, "digits")
    assert splits.train.labels.tolist() == [1, 2, 3]
    assert np.allclose(splits.train.inputs.mean(), 0, atol=1e-5)


def test_the_error_for_an_unknown_split_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"split is 'cursive'; it must be one of byclass, .*letters"):
        EMNIST("cursive")  # type: ignore[arg-type]
