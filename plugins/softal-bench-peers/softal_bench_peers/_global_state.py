"""The global state that the libraries use: generators, progress bars, warnings. All of it is as before afterwards."""

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import torch

from softal_bench.seeding import seeded_global_rng


@contextmanager
def seeded_globals(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Seed the global generators of torch (CPU and `device`) and of NumPy from `generator`; restore them afterwards.

    The same state of `generator` gives the same draws inside; each use advances it.
    """
    seed = int(torch.randint(2**32, (), generator=generator))
    before = np.random.get_state()
    with seeded_global_rng(generator, device):
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)


@contextmanager
def without_progress_bars(*modules: ModuleType) -> Iterator[None]:
    """Have modules that say `from tqdm import tqdm` draw no bars; their functions have no switch for it."""
    before = [module.tqdm for module in modules]
    for module, tqdm in zip(modules, before, strict=True):
        vars(module)["tqdm"] = functools.partial(tqdm, disable=True)
    try:
        yield
    finally:
        for module, tqdm in zip(modules, before, strict=True):
            vars(module)["tqdm"] = tqdm


@contextmanager
def without_import_warnings() -> Iterator[None]:
    """Be silent about what a library imports that its own dependencies have deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
