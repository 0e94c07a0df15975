"""The golden file, and the data that golden trials read."""

from pathlib import Path

import pytest

from .compare import read_golden
from .record import Record
from .trials import write_data


@pytest.fixture(scope="session")
def golden() -> Record:
    """Return the contents of the golden file; tests change only copies of it."""
    return read_golden()


@pytest.fixture(scope="session")
def golden_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the files of the `arrays` data sets."""
    folder = tmp_path_factory.mktemp("golden")
    write_data(folder)
    return folder
