"""Nothing from a stranger is executed: no pickle, no code, no weights, in the sources and in the files they read."""

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from softal_plugins.datasets.arrays import Arrays
from softal_plugins.datasets.cifar10 import CIFAR10
from softal_plugins.datasets.mnist import MNIST

from softal_bench.errors import DataError

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "softal_bench").rglob("*.py"), *(ROOT / "plugins" / "softal_plugins").rglob("*.py")])
# Names that turn data into code: called by their bare names, or as attributes of these modules.
NAMES = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {
    "pickle": {"load", "loads", "Unpickler"},
    "torch": {"load"},
    "yaml": {"load", "load_all", "unsafe_load", "full_load", "FullLoader", "UnsafeLoader", "Loader"},
    "os": {"system", "popen"},
    "marshal": {"load", "loads"},
    "shelve": {"open"},
    "joblib": {"load"},
}


def found_in(source: str) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
            found.append(node.func.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [f"{node.value.id}.{node.attr}"] * (node.attr in ATTRIBUTES.get(node.value.id, set()))
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
            found += [node.arg] * (ast.unparse(node.value) != "False")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_unpickles_or_runs_its_input(path: Path) -> None:
    assert found_in(path.read_text()) == []


def test_all_forbidden_calls_in_sources_are_found() -> None:
    source = "pickle.loads(a); torch.load(b); eval(c); np.load(d, allow_pickle=True); yaml.load(e); f.load(g)"
    assert set(found_in(source)) == {"eval", "pickle.loads", "torch.load", "allow_pickle", "yaml.load"}


class Touches:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


@pytest.fixture
def touched(tmp_path: Path) -> Path:
    """Return the path of the file that the pickle creates when it runs."""
    return tmp_path / "touched"


def test_the_pickle_of_these_tests_runs_if_unpickled(touched: Path) -> None:
    pickle.loads(pickle.dumps(Touches(touched)))
    assert touched.exists()


def test_pickles_in_place_of_cifar10_are_not_unpickled(tmp_path: Path, touched: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"]:
        (folder / name).write_bytes(pickle.dumps({b"data": Touches(touched), "label_names": Touches(touched)}))
    with pytest.raises(DataError, match="cannot be read as CIFAR10"):
        CIFAR10().load(tmp_path, torch.Generator())
    assert not touched.exists()


def test_pickles_in_place_of_mnist_are_not_unpickled(tmp_path: Path, touched: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for what in ("images-idx3", "labels-idx1"):
            (raw / f"{part}-{what}-ubyte").write_bytes(pickle.dumps(Touches(touched)))
    with pytest.raises(DataError, match="cannot be read as MNIST"):
        MNIST().load(tmp_path, torch.Generator())
    assert not touched.exists()


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path, touched: Path) -> None:
    objects = np.array([Touches(touched)], dtype=object)
    names = ("train_images", "train_labels", "test_images", "test_labels")
    with (tmp_path / "arrays.npz").open("wb") as file:
        np.savez(file, **dict.fromkeys(names, objects))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        Arrays().load(tmp_path, torch.Generator())
    (tmp_path / "arrays.npz").write_bytes(pickle.dumps(Touches(touched)))
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        Arrays().load(tmp_path, torch.Generator())
    assert not touched.exists()
