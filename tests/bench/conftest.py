"""The tiny suite, and plugins that go wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from suite.example import write_suite

from softal_bench.suite import Suite, load_suite

from . import fake_plugins

Loader = Callable[..., Suite]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Load the tiny suite with some keys changed."""
    return lambda **changes: load_suite(write_suite(tmp_path, **changes))


@pytest.fixture
def suite(load: Loader) -> Suite:
    """Uniform sampling and BALD, one trial each, four rounds a trial."""
    return load()


@pytest.fixture(scope="session")
def fakes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed distribution of fake plugins."""
    folder = tmp_path_factory.mktemp("site")
    fake_plugins.install(folder)
    return folder


@pytest.fixture
def fakes(fakes_folder: Path) -> Iterator[None]:
    """This process sees the fake plugins, for one test."""
    with fake_plugins.seen(fakes_folder):
        yield
