"""Writing a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from softal_bench.errors import SoftalError

ANOTHER_LEADERBOARD = "choose another folder with --leaderboard; then run `softal-bench leaderboard`"


@contextmanager
def disk_errors(path: Path, what_to_do: str = ANOTHER_LEADERBOARD) -> Iterator[None]:
    """Turn an error of the disk into a SoftalError that says what to do."""
    try:
        yield
    except OSError as error:
        raise SoftalError(
            f"{path}: cannot be read or written: {error.strerror}; the journals are safe. Make room or permit it, or "
            f"{what_to_do}"
        ) from error


def write_atomically(path: Path, data: bytes, what_to_do: str = ANOTHER_LEADERBOARD) -> None:
    """Write `data` to a temporary file beside `path`, then rename it, so no reader sees half of it.

    Raises:
        SoftalError: if the disk refuses; the old file stands.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path, what_to_do):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
