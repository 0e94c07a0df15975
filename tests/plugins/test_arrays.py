"""A user's own .npz file: what is read, how it is scaled, and what is refused."""

import hashlib
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from softal_plugins.datasets.arrays import Arrays

from softal_bench.contracts import Splits
from softal_bench.errors import DataError, DataMissingError

RNG = np.random.default_rng(0)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def arrays(**changes: Any) -> dict[str, Any]:
    """Return six training and two test images of 5x4 in three classes, with some arrays changed."""
    sound: dict[str, Any] = {
        "train_images": RNG.integers(0, 256, (6, 5, 4)).astype(np.uint8),
        "train_labels": LABELS,
        "test_images": RNG.integers(0, 256, (2, 5, 4)).astype(np.uint8),
        "test_labels": np.array([2, 1]),
    }
    return {name: array for name, array in (sound | changes).items() if array is not None}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "mine.npz"
    np.savez(path, **arrays(**changes))
    return path


def load(path: Path | str, root: Path = Path("/nowhere"), num_classes: int | None = None) -> Splits:
    return Arrays(str(path), num_classes).load(root, torch.Generator())


def test_images_get_one_channel_standardised_with_the_training_set(tmp_path: Path) -> None:
    path = write(tmp_path)
    written = np.load(path)
    train, test = written["train_images"] / 255, written["test_images"] / 255
    splits = load(path)
    assert splits.train.inputs.shape == (6, 1, 5, 4)
    assert splits.train.inputs.dtype == torch.float32
    assert splits.train.inputs[:, 0].numpy() == pytest.approx((train - train.mean()) / train.std(), abs=1e-5)
    assert splits.test.inputs[:, 0].numpy() == pytest.approx((test - train.mean()) / train.std(), abs=1e-5)
    assert splits.train.labels.tolist() == LABELS.tolist()
    assert splits.train.num_classes == splits.test.num_classes == 3


def test_channels_last_images_become_channels_first_and_are_standardised_by_channel(tmp_path: Path) -> None:
    train, test = RNG.normal(size=(6, 8, 7, 3)) * [1, 5, 9] + [0, 3, 7], RNG.normal(size=(2, 8, 7, 3))
    splits = load(write(tmp_path, train_images=train, test_images=test))
    mean, std = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    assert splits.train.inputs.shape == (6, 3, 8, 7)
    assert splits.train.inputs.numpy() == pytest.approx(((train - mean) / std).transpose(0, 3, 1, 2), abs=1e-5)
    assert splits.test.inputs.numpy() == pytest.approx(((test - mean) / std).transpose(0, 3, 1, 2), abs=1e-5)


def test_channels_first_is_kept(tmp_path: Path) -> None:
    train = RNG.normal(size=(6, 3, 8, 7))
    splits = load(write(tmp_path, train_images=train, test_images=train[:2]))
    standardised = (train - train.mean(axis=(0, 2, 3), keepdims=True)) / train.std(axis=(0, 2, 3), keepdims=True)
    assert splits.train.inputs.numpy() == pytest.approx(standardised, abs=1e-5)


def test_features_are_standardised_as_a_whole(tmp_path: Path) -> None:
    train = RNG.normal(size=(6, 9)) * 4 + 2
    splits = load(write(tmp_path, train_images=train, test_images=train[:2]))
    assert splits.train.inputs.numpy() == pytest.approx((train - train.mean()) / train.std(), abs=1e-5)


def test_a_constant_channel_stays_finite(tmp_path: Path) -> None:
    flat = np.full((6, 5, 4), 7, dtype=np.uint8)
    assert load(write(tmp_path, train_images=flat)).train.inputs.abs().max() < 1e-5


def test_the_path_is_relative_to_the_data_folder_or_absolute(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert torch.equal(load("mine.npz", root=tmp_path).train.inputs, load(path).train.inputs)


def test_the_provenance_has_the_files_name_size_and_hash(tmp_path: Path) -> None:
    path = write(tmp_path)
    provenance = load(path).provenance
    assert (provenance.name, provenance.size) == ("mine.npz", 6)
    assert provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_more_classes_can_be_declared(tmp_path: Path) -> None:
    assert load(write(tmp_path), num_classes=7).train.num_classes == 7
    with pytest.raises(ValueError, match="num_classes is 1"):
        Arrays("mine.npz", 1)


@pytest.mark.parametrize("lacking", ["train_images", "train_labels", "test_images", "test_labels"])
def test_the_error_for_a_missing_array_names_it_and_those_found(tmp_path: Path, lacking: str) -> None:
    path = write(tmp_path, **{lacking: None}, bonus=np.zeros(3))
    with pytest.raises(DataError, match=rf"mine\.npz.* {lacking}.*bonus"):
        load(path)


def test_the_error_names_all_missing_arrays(tmp_path: Path) -> None:
    path = write(tmp_path, train_labels=None, test_images=None)
    with pytest.raises(DataError, match="train_labels, test_images"):
        load(path)


IMAGES = np.zeros((6, 5, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.zeros(6)}, r"train_images.*\(6,\)"),
        ({"train_images": np.zeros((6, 1, 1, 1, 1))}, r"train_images.*\(6, 1, 1, 1, 1\)"),
        ({"train_images": IMAGES[:0], "train_labels": LABELS[:0]}, "train_images"),
        ({"test_images": IMAGES[:0], "test_labels": LABELS[:0]}, "test_images"),
        ({"train_images": IMAGES[:5]}, r"5.*6"),
        ({"test_images": np.zeros((2, 4, 5))}, r"\(1, 5, 4\).*\(1, 4, 5\)"),
        ({"train_images": IMAGES.astype(complex)}, "train_images.*complex"),
        ({"train_images": IMAGES.astype(str)}, "train_images.*<U"),
        ({"train_images": np.full((6, 5, 4), np.nan)}, "train_images.*finite"),
        ({"test_images": np.full((2, 5, 4), np.inf)}, "test_images.*finite"),
        ({"train_labels": LABELS[:, None]}, r"train_labels.*\(6, 1\)"),
        ({"train_labels": LABELS.astype(float)}, "train_labels.*float64"),
        ({"test_labels": np.array(["cat", "dog"])}, "test_labels"),
        ({"train_labels": LABELS - 1}, "-1"),
        ({"test_labels": np.array([0, 3])}, "3.*0 to 2"),
        ({"train_labels": np.array([0, 1, 2, 0, 1, 2**63], dtype=np.uint64)}, "labels"),
    ],
)
def test_the_error_for_an_invalid_array_names_it_and_its_value(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(DataError, match=rf"(?s)mine\.npz.*{message}"):
        load(path)


def test_an_undeclared_class_is_rejected(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(DataError, match="0 to 1"):
        load(path, num_classes=2)


class Bomb:
    """An object that creates a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.trace,)


def test_pickled_objects_are_rejected_and_not_run(tmp_path: Path) -> None:
    path = write(tmp_path, train_labels=np.array([Bomb(tmp_path / "trace")] * 6, dtype=object))
    with pytest.raises(DataError, match=r"mine\.npz"):
        load(path)
    assert not (tmp_path / "trace").exists()


def test_the_error_for_a_missing_file_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=f"{tmp_path}/none.npz"):
        load("none.npz", root=tmp_path)
    with pytest.raises(DataMissingError, match=str(tmp_path)):
        load(tmp_path)


def test_the_error_for_a_file_that_is_not_npz_names_the_file(tmp_path: Path) -> None:
    sound = write(tmp_path).read_bytes()
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("train_images: none\n")
    (tmp_path / "half.npz").write_bytes(sound[: len(sound) // 2])
    np.save(tmp_path / "one.npy", IMAGES)
    for name in ("empty.npz", "text.npz", "half.npz", "one.npy"):
        with pytest.raises(DataError, match=name):
            load(tmp_path / name)


@pytest.mark.parametrize("compressed", [False, True])
def test_the_error_for_a_damaged_npz_names_the_file(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "mine.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays(train_images=RNG.random((6, 50, 40))))
    damaged = bytearray(path.read_bytes())
    damaged[300:700] = bytes(400)
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"mine\.npz"):
        load(path)


def test_test_inputs_that_are_training_inputs_are_counted(tmp_path: Path) -> None:
    sound = arrays()
    copied = np.concatenate([sound["test_images"], sound["train_images"][3:5]])
    path = write(tmp_path, train_images=sound["train_images"], test_images=copied, test_labels=np.array([2, 1, 0, 0]))
    assert load(path).overlap == 2


def forged(shape: tuple[int, ...], zeros: int = 0, descr: str = "|u1") -> bytes:
    """Return a .npy file whose header has this shape and dtype, followed by this many zero bytes."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(zeros)


def with_header(text: str) -> bytes:
    """Return a .npy file with this header and no data."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def write_archive(folder: Path, train_images: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a valid file except for the bytes of its training images."""
    path = folder / "forged.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("train_images.npy", train_images)
        for name in ("train_labels", "test_images", "test_labels"):
            sound = io.BytesIO()
            np.save(sound, arrays()[name])
            archive.writestr(f"{name}.npy", sound.getvalue())
    return path


@pytest.mark.parametrize(
    ("train_images", "problem"),
    [
        (forged((10**13,)), "takes 10000000000000 bytes, but holds"),
        (forged((10**6, 10**6, 10**6), 100), "but holds"),
        (forged((1,), 100, "<U500000000"), "takes 2000000000 bytes, but holds"),
        (forged((-(10**13), -1)), "every dimension must be at least 1"),
        (forged((10**13, 0)), "every dimension must be at least 1"),
        (forged((2**70, 0, 3)), "every dimension must be at least 1"),
    ],
    ids=["one dimension", "three", "long strings", "negative", "empty", "too large and empty"],
)
def test_a_forged_size_is_rejected_before_memory_is_allocated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train_images: bytes, problem: str
) -> None:
    monkeypatch.setattr("softal_plugins.datasets.arrays._array", lambda *_: pytest.fail("an array was read"))
    with pytest.raises(DataError, match=problem):
        load(write_archive(tmp_path, train_images))


@pytest.mark.parametrize(
    ("train_images", "problem"),
    [
        (forged((1,) * 80, 1), "maximum supported dimension"),
        (forged((3,), 100, "|O"), "Object arrays"),
        (with_header("[" * 9000), ""),
        (with_header("{'descr':" + "-" * 9000 + "1}"), "the header of train_images is nested too deeply"),
        (with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}"), ""),
        (b"", ""),
    ],
    ids=["80 dimensions", "objects", "brackets", "minus signs", "5000 digits", "nothing"],
)
def test_an_unreadable_array_is_rejected(tmp_path: Path, train_images: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=rf"cannot be read as \.npz: .*{problem}"):
        load(write_archive(tmp_path, train_images))


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_exceeds_memory_when_unpacked_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    """A stored byte takes up three floats while it is standardised, so 2^20 of them need 13 MiB."""
    path = write_archive(tmp_path, forged((2**20,), 2**20), compression)
    assert path.stat().st_size < 2**14
    for mebibytes, problem in (
        (12, r"its examples need about 0\.0127 GiB of memory, but .*; store fewer"),
        (14, "shape"),
    ):
        monkeypatch.setattr("softal_bench.contracts.dataset.available_bytes", lambda size=mebibytes: size * 2**20)
        with pytest.raises(DataError, match=problem):
            load(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_is_rejected(tmp_path: Path, compression: int) -> None:
    path = write_archive(tmp_path, forged((64, 8, 8), 4096), compression)
    data = bytearray(path.read_bytes())
    data[60:90] = bytes(byte ^ 255 for byte in data[60:90])
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        load(path)


def test_other_files_in_the_archive_are_not_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "no array")
        archive.writestr("huge.npy", forged((10**13,)))
    assert len(load(path).train) == len(arrays()["train_labels"])


@pytest.mark.parametrize("name", ["train_labels", "test_labels"])
@pytest.mark.parametrize(("label", "kind"), [(10**9, np.int64), (2**64 - 1, np.uint64)])
def test_a_huge_label_is_rejected(tmp_path: Path, name: str, label: int, kind: type) -> None:
    labels = arrays()[name].astype(kind)
    labels[-1] = label
    with pytest.raises(DataError, match=rf"{name} has the label {label}; .* at most 100000"):
        load(write(tmp_path, **{name: labels}))


def test_a_huge_number_of_classes_is_rejected() -> None:
    with pytest.raises(ValueError, match="num_classes is 1000000000; need 2 to 100000"):
        Arrays(num_classes=10**9)
