"""The golden file, and the data that golden trials read."""

from pathlib import Path

import pytest

from .compare import read_golden
from .record import Record
from .trials import write_data


@pytest.fixture(scope="session")
def golden() -> Record:
    """The contents of the golden file; tests change copies of it only."""
    return read_golden()


@pytest.fixture(scope="session")
def golden_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the files of the `arrays` data sets."""
    folder = tmp_path_factory.mktemp("golden")
    write_data(folder)
    return folder
