"""Checks that every plugin has to pass.

They can be run in three ways:

- `softal-bench check NAME` for an installed plugin, or `check_plugin` from Python;
- test classes with one fixture, in `softal_bench.conformance.testing`, for a plugin's own pytest tests;
- `parametrize_with_checks`, in the same module, for tests of many plugins with a list of expected failures.

All three run the same rules, which are defined in `acquisitions/`, `models.py` and `datasets.py`.
"""

from pathlib import Path
from typing import Any

import torch

from softal_bench.conformance import acquisitions, datasets, models
from softal_bench.conformance.acquisitions.example_pools import OnDevice
from softal_bench.conformance.rules import CPU, Check, NotApplicable, Result, Rule, Violation, bind
from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset
from softal_bench.errors import DataMissingError, PluginError
from softal_bench.registry import Registry, parameters_of, registries
from softal_bench.registry.parameters import contract_in, type_of

__all__ = [
    "Check",
    "NotApplicable",
    "Result",
    "Violation",
    "check_acquisition",
    "check_dataset",
    "check_model",
    "check_plugin",
    "checks_of",
    "rules_of",
]

_HARNESS_DISTRIBUTION = "softal-bench"  # its plugins are preferred as the plugin inside a wrapper


def rules_of(contract: type) -> tuple[Rule[Any], ...]:
    """Return the rules for AcquisitionFunction, BayesianModel or Dataset."""
    rules: dict[type, tuple[Rule[Any], ...]] = {
        AcquisitionFunction: acquisitions.RULES,
        BayesianModel: models.RULES,
        Dataset: datasets.RULES,
    }
    return rules[contract]


def checks_of(plugin: object, data_root: Path = Path(), device: torch.device = CPU) -> list[Check]:
    """Return a check for each rule of the plugin's kind. A check runs when it is called.

    Args:
        plugin: an AcquisitionFunction, a BayesianModel or a Dataset.
        data_root: the folder of the data sets' files.
        device: where acquisition functions and models compute. If this is not a CPU, an acquisition function also has
            to acquire the same batch as on the CPU, and its time and memory are not checked.

    Raises:
        PluginError: if there are no rules for objects of this type.
    """
    if isinstance(plugin, AcquisitionFunction):
        if device.type != "cpu":
            return bind(acquisitions.RULES_ON_DEVICE, OnDevice(plugin, device))
        return bind(acquisitions.RULES, plugin)
    if isinstance(plugin, BayesianModel):
        return bind(models.RULES, models.ToyProblem(plugin, device))
    if isinstance(plugin, Dataset):
        return bind(datasets.RULES, datasets.LoadedDataset(plugin, data_root))
    raise PluginError(
        f"{plugin!r} cannot be checked: expected an acquisition function, a model or a data set, got an object of type "
        f"{type(plugin).__name__}"
    )


def check_acquisition(acquisition: AcquisitionFunction) -> list[Result]:
    """Check an acquisition function. Return one result per rule."""
    return [check.result() for check in checks_of(acquisition)]


def check_model(model: BayesianModel) -> list[Result]:
    """Check a model. Return one result per rule.

    A model that accepts none of the input shapes of the rules cannot be checked. Its results are then "skipped".
    """
    return [check.result() for check in checks_of(model)]


def check_dataset(dataset: Dataset, data_root: Path) -> list[Result]:
    """Check a data set. Return one result per rule.

    Raises:
        DataMissingError: if the files are not in `data_root`.
    """
    try:
        datasets.LoadedDataset(dataset, data_root).splits  # noqa: B018
    except NotApplicable as error:
        raise DataMissingError(str(error)) from error
    except (Exception, SystemExit):
        pass  # the first check reports the error
    return [check.result() for check in checks_of(dataset, data_root)]


def check_plugin(registry: Registry[Any], name: str, data_root: Path, device: torch.device = CPU) -> list[Result]:
    """Check an installed plugin with its default parameters. A wrapper is checked around another installed plugin.

    If the plugin is broken, or needs parameters or files that are not available, the only result reports this.
    """
    broken = registry.why_broken(name)
    if broken:
        return [Result("usable", "can be imported and used", "failed", broken)]
    try:
        plugin = registry.build(name, _required_plugins(registry.load(name), data_root))
        if isinstance(plugin, Dataset):
            return check_dataset(plugin, data_root)
        return [check.result() for check in checks_of(plugin, device=device)]
    except DataMissingError as error:
        return [Result("loads", "has its files in the data folder", "skipped", str(error))]
    except NotApplicable as error:
        return [Result("built", "can be built without parameters", "skipped", str(error))]
    except PluginError as error:
        return [Result("built", "can be built without parameters", "failed", str(error))]


def _required_plugins(plugin_class: type, data_root: Path) -> dict[str, str]:
    """Return, for each required parameter that is a plugin, the name of an installed plugin that needs no parameters.

    Raises:
        NotApplicable: if there is no such plugin, or a required parameter is not a plugin.
    """
    required = [row["name"] for row in parameters_of(plugin_class) if row["required"]]
    contracts = {name: contract_in(type_of(plugin_class, name)) for name in required}
    others = [name for name, contract in contracts.items() if contract is None]
    if others:
        raise NotApplicable(
            f"no default for {', '.join(others)}; test the plugin in its own tests with "
            "softal_bench.conformance.testing"
        )
    return {name: _plugin_for(contract, data_root) for name, contract in contracts.items() if contract}


def _plugin_for(contract: type, data_root: Path) -> str:
    registry = next(registry for registry in registries.values() if issubclass(contract, registry.contract))
    names = sorted(registry.names(), key=lambda name: registry.listing(name).distribution != _HARNESS_DISTRIBUTION)
    for name in names:
        try:
            plugin = registry.build(name)
            if isinstance(plugin, Dataset):
                plugin.load(data_root, torch.Generator())
        except Exception:  # the plugin needs parameters or files, or is broken
            continue
        if isinstance(plugin, contract):
            return name
    raise NotApplicable(f"no installed {registry.noun} that it could wrap can be built without parameters")
