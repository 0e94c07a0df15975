"""The tiny suite of a model that learns nothing, at once, and processes to run it in."""

from pathlib import Path
from typing import Any

import pytest
from suite.example import acquiring, write_suite

from softal_bench.run.executors.local import Processes
from softal_bench.suite import Suite, load_suite

from ..conftest import Loader

TWO = Processes(2, ["cpu"])


@pytest.fixture
def load_flat(tmp_path: Path, fakes: None) -> Loader:
    """Load a suite of four rounds a trial, each over in milliseconds, with some keys changed."""

    def load(*acquisitions: Any, **changes: Any) -> Suite:
        return load_suite(write_suite(tmp_path, model="flat", matrix=acquiring(*acquisitions), **changes))

    return load


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """An empty file in which a plugin notes what it does."""
    path = tmp_path / "notes"
    path.touch()
    return path
