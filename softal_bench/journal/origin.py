"""The machine, the software and the plugins that a header records. None of these is part of a key."""

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from pydantic import TypeAdapter

from softal_bench.journal.file import Journal
from softal_bench.journal.lines import Environment, PluginSource
from softal_bench.machine.device import accelerator_facts, device_name
from softal_bench.registry import Plugin, registries
from softal_bench.suite import AnyCondition

_PACKAGES = ("softal-bench", "torch", "torchvision", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Origin:
    """The plugins, software and machine with which a job is computed.

    Attributes:
        plugins: the plugins of the condition.
        versions: the version of each distribution.
        environment: the machine; all fields are None if the process died before it could report them.
    """

    plugins: list[PluginSource]
    versions: dict[str, str]
    environment: Environment


_ORIGIN = TypeAdapter(Origin)


def origin(condition: AnyCondition, where: Environment) -> Origin:
    """Return the origin of a job that is computed with the software that is installed here."""
    return Origin(plugins(condition), versions(condition), where)


def origin_from_json(value: object) -> Origin:
    """Return the origin that a worker process reported, from the output of `dataclasses.asdict`.

    Raises:
        ValidationError: if the value is not an origin.
    """
    return _ORIGIN.validate_json(json.dumps(value), strict=True)


def versions(condition: AnyCondition) -> dict[str, str]:
    """Return the versions of softal-bench, of its libraries, and of the distributions of the condition's plugins."""
    found = {package: _version(package) for package in _PACKAGES}
    for plugin in condition.plugins():
        for each in _with_nested(plugin):
            distribution, its_version = _distribution(each.kind, each.name)
            found[distribution] = its_version
    return found


def plugins(condition: AnyCondition) -> list[PluginSource]:
    """Return the plugins of a condition, including nested plugins, each once."""
    return list(dict.fromkeys(_described(plugin) for outer in condition.plugins() for plugin in _with_nested(outer)))


def environment(device: torch.device, threads: int) -> Environment:
    """Return the environment of a job that is computed in this process."""
    return Environment(
        device=str(device),
        device_name=device_name(device),
        platform=platform.platform(),
        python=platform.python_version(),
        threads=threads,
        **asdict(accelerator_facts(device)),
    )


def was_timed_as_on(device: torch.device, journal: Journal) -> bool:
    """Return whether a journal was timed on a processor or GPU of this name, with this version of torch.

    The number of threads is part of the key.
    """
    there = journal.environments[-1]
    packages = journal.header.versions or {}
    return there.device_name == device_name(device) and packages.get("torch") == _version("torch")


def _with_nested(plugin: Plugin[Any]) -> Iterator[Plugin[Any]]:
    yield plugin
    for nested in plugin.nested:
        yield from _with_nested(nested)


def _described(plugin: Plugin[Any]) -> PluginSource:
    distribution, its_version = _distribution(plugin.kind, plugin.name)
    return PluginSource(
        kind=plugin.kind,
        name=plugin.name,
        label=plugin.label,
        distribution=distribution,
        version=its_version,
        revision=type(plugin.instance).revision,
        source=registries[plugin.kind].source(plugin.name),
    )


@cache
def _distribution(kind: str, name: str) -> tuple[str, str]:
    listing = registries[kind].listing(name)
    return listing.distribution, listing.version


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
