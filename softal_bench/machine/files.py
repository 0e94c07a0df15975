"""Write a file completely or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from softal_bench.errors import SoftalError

ANOTHER_LEADERBOARD = "choose another folder with --leaderboard; then run `softal-bench leaderboard`"


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to a temporary file in the same folder and rename it to `path`, so that no reader sees half of it.

    Creates the folder if it is missing.

    Raises:
        OSError: if the disk refuses; an existing file is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes, what_to_do: str = ANOTHER_LEADERBOARD) -> None:
    """Replace a file as `replace_file` does, with an error for the user.

    Raises:
        SoftalError: if the disk refuses; an existing file is unchanged.
    """
    with disk_errors(path, what_to_do):
        replace_file(path, data)


@contextmanager
def disk_errors(path: Path, what_to_do: str = ANOTHER_LEADERBOARD) -> Iterator[None]:
    """Turn an error of the disk into a SoftalError that says what to do."""
    try:
        yield
    except OSError as error:
        raise SoftalError(
            f"{path}: cannot be read or written: {error.strerror}; the journals are safe. Free some space or allow "
            f"access, or {what_to_do}"
        ) from error
