"""The thread pools of all numerical libraries in this process, limited to the number that a trial asks for.

torch has its own pool. NumPy, SciPy and scikit-learn have others: each distribution has its own copy of OpenMP or
OpenBLAS, which ignores torch's setting. Libraries that are already loaded are limited through threadpoolctl. Libraries
that are loaded later read environment variables when they are loaded.

This module imports torch only where it is used, so that a process that starts workers can stay light.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@contextmanager
def environment_for(threads: int) -> Iterator[None]:
    """Set the variables from which libraries and child processes read their number of threads; restore them later."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Limit the threads in the pools of torch and of every library that is loaded now or later, inside the block.

    Loading the libraries' controls takes about 4 ms; see `native_threads` for libraries that are loaded later.
    """
    import torch

    before, native = torch.get_num_threads(), native_threads()
    with environment_for(threads):
        torch.set_num_threads(threads)
        limit_before, _pools.limit = _pools.limit, threads
        set_native_threads(dict.fromkeys(native, threads))
        try:
            yield
        finally:
            _pools.limit = limit_before
            torch.set_num_threads(before)
            set_native_threads(native)


def native_threads() -> dict[str, int]:
    """Return the number of threads of each OpenMP and BLAS library in this process, by the path of the library.

    Libraries are loaded by imports, so the process is scanned again (4 ms) only if modules were imported since the last
    call; otherwise the call takes a few microseconds. A library that is loaded inside `limited` is limited by the next
    scan.
    """
    return _pools.read()


def set_native_threads(threads: dict[str, int]) -> None:
    """Set the number of threads of the libraries at these paths; other libraries keep theirs."""
    _pools.write(threads)


class _Pools:
    def __init__(self) -> None:
        self.limit: int | None = None
        self._controller: Any = None
        self._num_modules = 0

    def read(self) -> dict[str, int]:
        return {each.filepath: each.num_threads for each in self._controllers() if each.num_threads is not None}

    def write(self, threads: dict[str, int]) -> None:
        for each in self._controllers():
            if each.filepath in threads and each.num_threads != threads[each.filepath]:
                each.set_num_threads(threads[each.filepath])

    def _controllers(self) -> list[Any]:
        if self._controller is None or self._num_modules != len(sys.modules):
            known = {each.filepath for each in self._controller.lib_controllers} if self._controller else set()
            self._num_modules = len(sys.modules)
            self._controller = ThreadpoolController()
            for each in self._controller.lib_controllers if self.limit else ():
                if each.filepath not in known:
                    each.set_num_threads(self.limit)
        controllers: list[Any] = self._controller.lib_controllers
        return controllers


_pools = _Pools()
