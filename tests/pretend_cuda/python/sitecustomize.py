"""Imported by Python at start-up: replaces the CUDA kernels in each process as soon as torch has been imported."""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType


class _AfterTorch(importlib.abc.MetaPathFinder):
    """Finds torch as usual, once, and installs the pretend device after torch's module has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.loader is not None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            import pretend_device

            pretend_device.install()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if "libpretend_cudart" in os.environ.get("LD_PRELOAD", ""):
    sys.meta_path.insert(0, _AfterTorch())
