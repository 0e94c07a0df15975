"""A suite file that runs in well under a second; tests of suites, runs and the command line use variants of it."""

import copy
from pathlib import Path
from typing import Any

import yaml

TINY: dict[str, Any] = {
    "name": "tiny",
    "device": "cpu",
    "trials": 1,
    "dataset": "digits",
    "validation_size": 32,
    "initial": {"size": 10},
    "budget": 25,
    "posterior_samples": 4,
    "model": "digits_cnn",
    "training": {"batch_size": 32, "epoch_draws": 64, "max_epochs": 1, "evaluation_samples": 2},
    "matrix": {"batch_size": [5], "acquisition": ["uniform", "bald"]},
}


def tiny(**changes: Any) -> dict[str, Any]:
    """Return the keys of the tiny suite with some changed; a key set to None is left out."""
    keys = copy.deepcopy(TINY) | changes
    return {key: value for key, value in keys.items() if value is not None}


def acquiring(*acquisitions: Any, batch_sizes: tuple[int, ...] = (5,)) -> dict[str, Any]:
    """Return a matrix of these acquisition functions."""
    return {"batch_size": list(batch_sizes), "acquisition": list(acquisitions)}


def write_suite(folder: Path, text: str | None = None, **changes: Any) -> Path:
    """Write a suite file and return its path: the text if it is given, else the tiny suite with some keys changed."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny(**changes), sort_keys=False) if text is None else text, encoding="utf-8")
    return path
