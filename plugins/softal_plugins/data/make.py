"""Make the data files of this folder from their sources: `python make.py FOLDER`; README.md describes the sources."""

import sys
from pathlib import Path

import numpy as np

_HERE = Path(__file__).parent
_TABLES = {"letter": np.uint8, "satellite": np.uint8, "dna": np.uint8}
_TEXTS = {"reuters8": "r8_minilm", "news20": "news20_minilm"}
_COMPONENTS = 128


def principal_components(train_n_D: np.ndarray, test_m_D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project both on the first principal components of the training inputs, with positive largest loadings."""
    mean_D = train_n_D.mean(axis=0)
    _, _, axes = np.linalg.svd(train_n_D - mean_D, full_matrices=False)
    axes = axes[:_COMPONENTS]
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    return (train_n_D - mean_D) @ axes.T, (test_m_D - mean_D) @ axes.T


def write(name: str, source: dict[str, np.ndarray], train: np.ndarray, test: np.ndarray) -> None:
    labels = {part: source[f"{part}_labels"].astype(np.uint8) for part in ("train", "test")}
    np.savez_compressed(
        _HERE / f"{name}.npz",
        train_inputs=train,
        train_labels=labels["train"],
        test_inputs=test,
        test_labels=labels["test"],
        classes=source["classes"],
    )


def main(folder: Path) -> None:
    for name, dtype in _TABLES.items():
        source = dict(np.load(folder / f"{name}.npz"))
        train, test = (source[f"{part}_images"] for part in ("train", "test"))
        assert np.array_equal(train, train.astype(dtype))
        write(name, source, train.astype(dtype), test.astype(dtype))
    for name, file in _TEXTS.items():
        source = dict(np.load(folder / f"{file}.npz"))
        train, test = (source[f"{part}_images"].astype(np.float64) for part in ("train", "test"))
        train, test = principal_components(train, test)
        write(name, source, train.astype(np.float16), test.astype(np.float16))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
