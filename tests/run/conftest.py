"""The tiny suite, and trials on data whose examples are numbers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from suite.example import acquiring, write_suite

from softal_bench.suite import Suite, load_suite

from .numbered import START, VALIDATION, Chooses, Setting, at_random

Loader = Callable[..., Suite]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Load the tiny suite with some keys changed."""
    return lambda **changes: load_suite(write_suite(tmp_path, **changes))


@pytest.fixture
def suite(load: Loader) -> Suite:
    """Return a suite of uniform sampling and BALD, with one trial each and four rounds per trial."""
    return load()


@pytest.fixture
def setting(load: Loader) -> Setting:
    """Return a setting of 90 examples: 20 for validation, 12 labelled, 58 in the pool; batches of 5 up to 40 labels."""
    suite = load(validation_size=VALIDATION, initial={"size": START}, budget=40, matrix=acquiring("uniform"))
    return Setting(suite.conditions[0], Chooses(at_random))
