"""MNIST: the real files if they exist, and a clear error if they do not."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from softal_plugins.datasets.mnist import MNIST
from softal_plugins.datasets.repeated import Repeated

from softal_bench.contracts import Splits
from softal_bench.errors import DataError, DataMissingError

TRAIN_IMAGES_SHA256 = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def load(root: Path) -> Splits:
    return MNIST().load(root, torch.Generator())


def idx(folder: Path, name: str) -> np.ndarray:
    """Read an IDX file by its specification: big-endian magic number and sizes, followed by bytes."""
    content = (folder / "MNIST" / "raw" / name).read_bytes()
    dimensions = content[3]
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)


@pytest.mark.mnist
def test_real_mnist_has_60000_and_10000_images_and_the_known_hash(softal_data: Path) -> None:
    splits = load(softal_data)
    assert splits.train.inputs.shape == (60_000, 1, 28, 28)
    assert splits.test.inputs.shape == (10_000, 1, 28, 28)
    assert splits.train.num_classes == splits.test.num_classes == 10
    assert (splits.provenance.name, splits.provenance.size) == ("mnist", 60_000)
    assert splits.provenance.sha256 == TRAIN_IMAGES_SHA256


@pytest.mark.mnist
def test_real_mnist_is_normalised_with_the_papers_statistics(softal_data: Path) -> None:
    splits = load(softal_data)
    for part, images, labels in [
        (splits.train, "train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        (splits.test, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    ]:
        some = slice(0, None, 97)
        pixels = idx(softal_data, images)[some].astype(np.float64)
        assert part.inputs[some, 0].numpy() == pytest.approx((pixels / 255 - 0.1307) / 0.3081, abs=1e-5)
        assert part.labels.tolist() == idx(softal_data, labels).tolist()
    assert splits.train.inputs.mean().item() == pytest.approx(0, abs=1e-3)
    assert splits.train.inputs.std().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.mnist
def test_no_test_image_of_real_mnist_is_a_training_image(softal_data: Path) -> None:
    train, test = (idx(softal_data, f"{part}-images-idx3-ubyte").reshape(-1, 784) for part in ("train", "t10k"))
    assert len(np.unique(np.concatenate([train, test]).view("V784"))) == 70_000
    assert load(softal_data).overlap == 0


@pytest.mark.mnist
def test_repeated_mnist_has_the_papers_120000_images(softal_data: Path) -> None:
    once = load(softal_data)
    twice = Repeated(MNIST()).load(softal_data, torch.Generator().manual_seed(0))
    assert len(twice.train) == 120_000
    assert torch.equal(twice.train.labels[:60_000], twice.train.labels[60_000:])
    for block in (0, 60_000):
        noise = twice.train.inputs[block : block + 2000] - once.train.inputs[:2000]
        assert noise.std().item() == pytest.approx(0.1, rel=0.01)
    assert torch.equal(twice.test.inputs, once.test.inputs)


@pytest.mark.parametrize("lacking", FILES)
def test_the_error_for_a_missing_file_names_it_its_folder_and_a_remedy(tmp_path: Path, lacking: str) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        if name != lacking:
            (raw / name).write_bytes(b"")
    with pytest.raises(DataMissingError, match=r"--data-dir|SOFTAL_DATA") as caught:
        load(tmp_path)
    assert lacking in str(caught.value)
    assert str(raw) in str(caught.value)
    assert all(name not in str(caught.value) for name in FILES if name != lacking)


def test_loading_writes_nothing_and_downloads_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError):
        load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_error_for_a_failed_download_names_the_files_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", no_network)
    with pytest.raises(DataMissingError) as caught:
        MNIST().prepare(tmp_path)
    for part in (*FILES, str(tmp_path / "MNIST" / "raw"), "no route to host"):
        assert part in str(caught.value)


def test_the_error_for_damaged_files_names_the_folder(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        (raw / name).write_bytes(b"no IDX file")
    with pytest.raises(DataError, match=str(raw)):
        load(tmp_path)


def test_small_files_in_the_same_format_are_read(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    for name in FILES:
        images = "images" in name
        header = struct.pack(">I3I", 2051, 3, 28, 28) if images else struct.pack(">II", 2049, 3)
        (raw / name).write_bytes(header + (pixels.tobytes() if images else bytes([7, 0, 9])))
    splits = load(tmp_path)
    assert splits.test.inputs[:, 0].numpy() == pytest.approx((pixels / 255 - 0.1307) / 0.3081, abs=1e-5)
    assert splits.train.labels.tolist() == [7, 0, 9]
