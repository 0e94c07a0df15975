"""The tiny suite, and plugins that go wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
from suite.example import write_suite

from softal_bench.suite import Suite, load_suite

Loader = Callable[..., Suite]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Load the tiny suite with some keys changed."""
    return lambda **changes: load_suite(write_suite(tmp_path, **changes))


@pytest.fixture
def suite(load: Loader) -> Suite:
    """Uniform sampling and BALD, one trial each, four rounds a trial."""
    return load()
