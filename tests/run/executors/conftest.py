"""Suites of a model that learns nothing and takes no time, and processes to run them in."""

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
    """Load a suite whose trials have four rounds of a few milliseconds each, with some keys changed."""

    def load(*acquisitions: Any, **changes: Any) -> Suite:
        return load_suite(write_suite(tmp_path, model="flat", matrix=acquiring(*acquisitions), **changes))

    return load


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Return an empty file in which a plugin notes its calls."""
    path = tmp_path / "notes"
    path.touch()
    return path
