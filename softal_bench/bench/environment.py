"""What a journal's header says of the machine and the software. None of it is part of a trial's key."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from softal_bench.bench.device import device_name
from softal_bench.registry import Plugin, registries
from softal_bench.suite import AnyCondition

_PACKAGES = ("softal-bench", "torch", "torchvision", "numpy", "scikit-learn")


def versions(condition: AnyCondition) -> dict[str, str]:
    """Versions of the suite, of what it computes with, and of the distributions of the condition's plugins."""
    found = {package: _version(package) for package in _PACKAGES}
    for plugin in condition.plugins():
        found.update(_origins(plugin))
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


def _origins(plugin: Plugin[Any]) -> dict[str, str]:
    """Distribution -> version of a plugin and of those in it."""
    inner = [_origins(nested) for nested in plugin.nested]
    return dict([_origin(plugin.kind, plugin.name), *(origin for origins in inner for origin in origins.items())])


@cache
def _origin(kind: str, name: str) -> tuple[str, str]:
    listing = registries[kind].listing(name)
    return listing.distribution, listing.version


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
