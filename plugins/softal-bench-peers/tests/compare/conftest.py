"""These tests need the peers, but for those of the page and its record; `make test-peers` runs them with them."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from softal_bench_peers.compare.settings import Settings

_NEED_NO_PEER = {"test_page.py", "test_records.py"}
_FILES = {path.name for path in Path(__file__).parent.glob("test_*.py")}
collect_ignore = [] if find_spec("batchbald_redux") and find_spec("baal") else sorted(_FILES - _NEED_NO_PEER)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A quick run of two samples on one thread, without data."""
    return Settings(torch.device("cpu"), 1, 2, tmp_path / "data", tmp_path / "work", quick=True)
