"""These tests need the peers; `make test-peers` runs them with them."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from softal_bench_peers.compare.settings import Settings

collect_ignore_glob = [] if find_spec("batchbald_redux") and find_spec("baal") else ["test_*.py"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A quick run of two samples on one thread, without data."""
    return Settings(torch.device("cpu"), 1, 2, tmp_path / "data", tmp_path / "work", quick=True)
