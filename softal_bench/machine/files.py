"""Reading and writing files without loss of data: whole files, on the disk, and only regular files."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EFBIG, EINVAL
from pathlib import Path

from softal_bench.errors import SoftalError

ANOTHER_LEADERBOARD = "choose another folder with --leaderboard; then run `softal-bench leaderboard`"
MAX_BYTES = 2**28  # of a file that is read as a whole; far more than any suite, page or journal has


def read_regular(path: Path, *, follow_links: bool = True, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a regular file, without waiting for a FIFO or reading an endless file.

    Args:
        path: the file.
        follow_links: whether the file may be a symbolic link.
        max_bytes: the maximum size of the file.

    Raises:
        OSError: if the file cannot be read, is not a regular file, or is larger.
    """
    with os.fdopen(_open_regular(path, os.O_RDONLY, follow_links), "rb") as file:
        if os.fstat(file.fileno()).st_size > max_bytes:
            raise OSError(EFBIG, f"larger than {max_bytes // 2**20} MiB", str(path))
        return file.read()


def open_regular_to_append(path: Path) -> int:
    """Open a regular file for appending, or create it, and return its file descriptor. Symbolic links are not followed.

    Raises:
        OSError: if the file cannot be opened, or is not a regular file.
    """
    return _open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, follow_links=False)


def _open_regular(path: Path, flags: int, follow_links: bool) -> int:
    if not follow_links and path.is_symlink():
        raise OSError(EINVAL, "is a symbolic link, which is not followed", str(path))
    nofollow = 0 if follow_links else os.O_NOFOLLOW  # in case the file becomes a link between the two calls
    descriptor = os.open(path, flags | nofollow | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(EINVAL, "is not a regular file", str(path))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to a temporary file in the same folder and rename it to `path`, so that no reader sees half of it.

    Creates the folder if it is missing. File, name and new folders are on the disk when this function returns.

    Raises:
        OSError: if the file cannot be written; an existing file is unchanged.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    make_folder(path.parent)
    temporary.unlink(missing_ok=True)  # a killed process with the same number may have left it
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, so that they survive a power failure.

    Raises:
        OSError: if a folder cannot be created.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if the file system supports it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != EINVAL:  # some network file systems do not sync folders
            raise
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes, what_to_do: str = ANOTHER_LEADERBOARD) -> None:
    """Replace a file as `replace_file` does, with an error for the user.

    Raises:
        SoftalError: if the file cannot be written; an existing file is unchanged.
    """
    with disk_errors(path, what_to_do):
        replace_file(path, data)


def write_output(path: Path, data: bytes, what_to_do: str) -> None:
    """Write a file that the user named, which need not be a regular file.

    A missing or regular file is replaced as a whole. A symbolic link stays, and its target is replaced. The data are
    written directly to a device or a FIFO.

    Raises:
        SoftalError: if it cannot be written.
    """
    with disk_errors(path, what_to_do):
        target = path.resolve()
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                file.write(data)
        else:
            replace_file(target, data)


@contextmanager
def disk_errors(path: Path, what_to_do: str = ANOTHER_LEADERBOARD) -> Iterator[None]:
    """Turn an error of the disk into a SoftalError that says what to do."""
    try:
        yield
    except OSError as error:
        raise SoftalError(
            f"{path}: cannot be read or written: {error.strerror or error}; the journals are safe. Free some space or "
            f"allow access, or {what_to_do}"
        ) from error
