"""One measurement at a time."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock


@contextmanager
def alone() -> Iterator[None]:
    """Hold the one lock of this user and machine under which costs are measured; waits until it is free."""
    path = Path(tempfile.gettempdir()) / f"softal-bench-measuring-{os.getuid()}.lock"
    with filelock.FileLock(path):
        yield
