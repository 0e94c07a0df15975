"""The golden trials: tiny trials that together use every part of the harness that affects numbers.

A condition is written as in a suite file. Each trial is cheap (a few gradient steps per round), trains enough that
scores differ by more than rounding, but so little that rounding does not grow: with the instructions of another CPU
(`ATEN_CPU_CAPABILITY=default MKL_ENABLE_INSTRUCTIONS=SSE4_2 ONEDNN_MAX_CPU_ISA=SSE41 pytest tests/golden`) all numbers
stay well within the tolerance. Check this for each new trial.
"""

from pathlib import Path
from typing import Any

import numpy as np

Spec = dict[str, Any]

TRIAL = 1  # the number of every golden trial
_GREY, _COLOUR = "grey_28.npz", "colour_8.npz"

_BASE: Spec = {
    "dataset": "digits",
    "model": {"mlp": {"hidden": [32]}},
    "batch_size": 4,
    "posterior_samples": 8,
    "budget": 38,  # three rounds, of 30, 34 and 38 labels
    "validation_size": 60,
    "initial": {"size": 30},
    "threads": 1,
    "seed": 11,
}
_TRAINING: Spec = {
    "batch_size": 16,
    "epoch_draws": 160,
    "max_epochs": 4,
    "learning_rate": 0.005,
}


def _trial(training: Spec | None = None, **keys: Any) -> Spec:
    return _BASE | {"training": _TRAINING | (training or {})} | keys


TRIALS: dict[str, Spec] = {
    "mlp_bald": _trial(acquisition="bald", pool_subset=150),
    "mlp_uniform": _trial(acquisition="uniform", validation={"stratified": True}),
    "mlp_softmax": _trial(
        acquisition={"softmax": {"score": "bald", "temperature": 0.125}},
        validation={"fixed": True},
        initial={"size": 30, "balanced": True, "fixed": True},
        training={"monitor": "accuracy", "evaluation_mean": "arithmetic"},
    ),
    "mlp_softrank": _trial(
        acquisition={"softrank": {"score": "entropy", "temperature": 0.5}},
        pool_subset=200,
        training={
            "monitor": "accuracy",
            "patience": [1, 1, 1],
            "learning_rate_decay": 0.5,
            "max_epochs": 8,
            "learning_rate": 0.01,
        },
    ),
    "digits_cnn_power": _trial(
        model="digits_cnn",
        dataset={"repeated": {"of": "digits", "times": 2, "noise_std": 0.1}},
        acquisition={"power": {"score": "bald", "temperature": 0.25}},
        validation={"before_repetition": True},
        training={"augmentation": "crop_and_flip"},
    ),
    "digits_cnn_batchbald": _trial(
        model="digits_cnn",
        acquisition={"batchbald": {"joint_samples": 80}},  # draws 10 per sample, of 100 configurations of two picks
        pool_subset=300,
    ),
    "mlp_epig_bald": _trial(acquisition="epig_bald", pool_subset=600),
    "mlp_power_epig_bald": _trial(
        acquisition={"power": {"score": "epig_bald", "temperature": 0.125}},
        pool_subset=600,
        training={"evaluation_samples": 6, "validation_samples": 2, "evaluation_batch_size": 32},
    ),
    "ensemble_epig": _trial(
        model={"ensemble": {"of": {"mlp": {"hidden": [16], "dropout": 0.0}}, "members": 4}},
        posterior_samples=4,
        acquisition="epig",
        pool_subset=40,
        targets={"size": 20, "of": "test"},
    ),
    "lenet5_bald": _trial(
        model="lenet5",
        dataset={"arrays": {"path": _GREY}},
        acquisition="bald",
        budget=34,
        training={
            "epoch_draws": 96,
            "learning_rate": 0.002,
            "evaluation_samples": 4,
            "validation_samples": 2,
            "evaluation_batch_size": 16,
        },
    ),
    "logistic_bald": _trial(
        model="logistic",
        dataset="satellite",
        acquisition="bald",
        initial={"size": 12, "balanced": True},
        budget=20,
        pool_subset=200,
        training={"evaluation_samples": 50},
    ),
    "logistic_entropy": _trial(  # of so many weights that the covariance is a Kronecker product
        model="logistic",
        dataset="news20",
        acquisition="entropy",
        initial={"size": 20, "balanced": True},
        budget=28,
        pool_subset=200,
        training={"evaluation_samples": 50},
    ),
    "resnet18_variation_ratios": _trial(
        model="resnet18",
        dataset={"arrays": {"path": _COLOUR}},
        acquisition="variation_ratios",
        initial={"size": 12, "balanced": True},
        budget=16,
        pool_subset=15,
        validation_size=24,
        training={
            "epoch_draws": 96,
            "max_epochs": 1,
            "learning_rate": 3e-5,  # at 1e-3, rounding grows to 0.1 in log-probs within nine steps
            "augmentation": "crop_and_flip",
        },
    ),
}


def write_data(folder: Path) -> None:
    """Write the files of the `arrays` data sets to a data folder. Their contents do not depend on the folder."""
    _write(folder / _GREY, *_grey_images(), size=400)
    _write(folder / _COLOUR, *_colour_images(), size=130)


def _write(path: Path, images: np.ndarray, labels: np.ndarray, size: int) -> None:
    """Write the first `size` images for training, and the others for testing."""
    np.savez(
        path,
        train_images=images[:size],
        train_labels=labels[:size],
        test_images=images[size:],
        test_labels=labels[size:],
    )


def _grey_images() -> tuple[np.ndarray, np.ndarray]:
    """Return 500 digits of scikit-learn, each pixel repeated 3 x 3 times, padded with zeros to 28x28."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.kron(digits.images[:500], np.ones((1, 3, 3))) * 15  # 0 .. 240
    images = np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    return images, digits.target[:500]


def _colour_images() -> tuple[np.ndarray, np.ndarray]:
    """Return stripes of three classes: along rows, columns or diagonals, with varying phase and colour."""
    number, row, column, channel = np.ix_(np.arange(180), np.arange(8), np.arange(8), np.arange(3))
    label = number % 3
    along = np.where(label == 0, row, np.where(label == 1, column, row + column))
    noise = (number * 7919 + row * 104729 + column * 1299709 + channel * 15485863) % 97
    images = 100 * ((along + number // 3 * (channel + 1)) % 4 < 2) + noise
    return images.astype(np.uint8), label.flatten()
