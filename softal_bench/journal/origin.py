"""What a journal's header says of the machine, the software and the plugins. None of it is part of a trial's key."""

import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from softal_bench.journal.file import TrialRecord
from softal_bench.machine.device import device_name
from softal_bench.registry import Plugin, registries
from softal_bench.suite import AnyCondition

_PACKAGES = ("softal-bench", "torch", "torchvision", "numpy", "scikit-learn")


def versions(condition: AnyCondition) -> dict[str, str]:
    """Versions of the suite, of what it computes with, and of the distributions of the condition's plugins."""
    found = {package: _version(package) for package in _PACKAGES}
    for plugin in condition.plugins():
        found.update(_origins(plugin))
    return found


def plugins(condition: AnyCondition) -> list[dict[str, Any]]:
    """The plugins of a condition, those in others included: where each comes from, and the digest of its source."""
    found = [_described(plugin) for outer in condition.plugins() for plugin in _with_nested(outer)]
    return [plugin for place, plugin in enumerate(found) if plugin not in found[:place]]


def environment(device: torch.device, threads: int) -> dict[str, Any]:
    """Device, platform, Python and threads."""
    return {
        "device": str(device),
        "device_name": device_name(device),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "threads": threads,
    }


def was_timed_as_on(device: torch.device, record: TrialRecord) -> bool:
    """Whether the seconds of a journal are of a processor or GPU of this name, with this version of torch.

    The number of threads is part of the key.
    """
    attempts = [attempt for attempt in record.attempts if "device" in attempt]
    there = attempts[-1] if attempts else record.header.get("environment")
    packages = record.header.get("versions")
    return (
        isinstance(there, dict)
        and there.get("device_name") == device_name(device)
        and isinstance(packages, dict)
        and packages.get("torch") == _version("torch")
    )


def _with_nested(plugin: Plugin[Any]) -> Iterator[Plugin[Any]]:
    yield plugin
    for nested in plugin.nested:
        yield from _with_nested(nested)


def _described(plugin: Plugin[Any]) -> dict[str, Any]:
    distribution, distribution_version = _origin(plugin.kind, plugin.name)
    return {
        "kind": plugin.kind,
        "name": plugin.name,
        "label": plugin.label,
        "distribution": distribution,
        "version": distribution_version,
        "revision": type(plugin.instance).revision,
        "source": registries[plugin.kind].source(plugin.name),
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
