"""What a journal's header says of the machine and the software. None of it is part of a trial's key."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from softal_bench.bench.device import device_name
from softal_bench.registry import Listing, registries
from softal_bench.suite import Condition

_PACKAGES = ("softal-bench", "torch", "torchvision", "numpy", "scikit-learn")


def versions(condition: Condition) -> dict[str, str]:
    """Versions of the suite, of what it computes with, and of the distributions of the condition's plugins."""
    found = {package: _version(package) for package in _PACKAGES}
    for kind, plugin in (
        ("acquisitions", condition.acquisition),
        ("datasets", condition.dataset),
        ("models", condition.model),
    ):
        listing: Listing = registries[kind].listing(plugin.name)
        found[listing.distribution] = listing.version
    return found


def environment(device: torch.device, threads: int) -> dict[str, Any]:
    """Device, platform, Python and threads."""
    return {
        "device": str(device),
        "device_name": device_name(device),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "threads": threads,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
