"""Tiny files in the format of MNIST: a magic number and the sizes, big-endian, followed by bytes."""

import struct
from pathlib import Path

import numpy as np


def images(count: int, seed: int) -> np.ndarray:
    """Return random bytes [count, 28, 28]."""
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28)).astype(np.uint8)


def write_images(path: Path, pixels: np.ndarray) -> None:
    path.write_bytes(struct.pack(">I3I", 2051, *pixels.shape) + pixels.tobytes())


def write_labels(path: Path, labels: list[int]) -> None:
    path.write_bytes(struct.pack(">II", 2049, len(labels)) + bytes(labels))
