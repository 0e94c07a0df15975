"""Checks that any plugin has to pass, usable three ways.

- `softal-bench check NAME` for an installed plugin, or `check_plugin` and its like from code.
- Classes for a plugin's own pytest tests, with one fixture to supply: `softal_bench.conformance.testing`.
- Parametrised tests over many plugins, with a list of expected failures: `parametrize_with_checks` there.

All run the same rules: `acquisitions/`, `models/`, `datasets.py`.
"""

from pathlib import Path
from typing import Any

import torch

from softal_bench.conformance import acquisitions, datasets, models
from softal_bench.conformance.rules import Check, NotApplicable, Result, Rule, Violation, bound
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


_OURS = "softal-bench"  # its plugins are tried first as what a wrapper wraps


def rules_of(contract: type) -> tuple[Rule[Any], ...]:
    """The rules of AcquisitionFunction, BayesianModel or Dataset."""
    rules: dict[type, tuple[Rule[Any], ...]] = {
        AcquisitionFunction: acquisitions.RULES,
        BayesianModel: models.RULES,
        Dataset: datasets.RULES,
    }
    return rules[contract]


def checks_of(plugin: object, data_root: Path = Path()) -> list[Check]:
    """A check for each rule of the plugin's kind; nothing runs until one is called.

    Args:
        plugin: an AcquisitionFunction, a BayesianModel or a Dataset.
        data_root: the folder that a data set's files are under.
    """
    if isinstance(plugin, AcquisitionFunction):
        return bound(acquisitions.RULES, plugin)
    if isinstance(plugin, BayesianModel):
        return bound(models.RULES, models.Toy(plugin))
    if isinstance(plugin, Dataset):
        return bound(datasets.RULES, datasets.Loaded(plugin, data_root))
    raise PluginError(f"{plugin!r} is no acquisition function, model or data set, so there are no rules for it")


def check_acquisition(acquisition: AcquisitionFunction) -> list[Result]:
    """Check an acquisition function; one result a rule."""
    return [check.result() for check in checks_of(acquisition)]


def check_model(model: BayesianModel) -> list[Result]:
    """Check a model; one result a rule.

    A model that takes none of the shapes of inputs tried here cannot be checked, and each result says so.
    """
    return [check.result() for check in checks_of(model)]


def check_dataset(dataset: Dataset, data_root: Path) -> list[Result]:
    """Check a data set; one result a rule.

    Raises:
        DataMissingError: if its files are not under `data_root`.
    """
    try:
        datasets.Loaded(dataset, data_root).splits  # noqa: B018
    except NotApplicable as error:
        raise DataMissingError(str(error)) from error
    except (Exception, SystemExit):
        pass  # the first check tells it
    return [check.result() for check in checks_of(dataset, data_root)]


def check_plugin(registry: Registry[Any], name: str, data_root: Path) -> list[Result]:
    """Check an installed plugin with its default parameters; a wrapper wraps another installed plugin.

    Where it cannot be used, or needs parameters or data that are not at hand, the one result says so.
    """
    broken = registry.why_broken(name)
    if broken:
        return [Result("usable", "can be used", "failed", broken)]
    try:
        plugin = registry.build(name, _stand_ins(registry.load(name), data_root))
        if isinstance(plugin, Dataset):
            return check_dataset(plugin, data_root)
        return [check.result() for check in checks_of(plugin)]
    except DataMissingError as error:
        return [Result("loads", "its files are at hand", "skipped", str(error))]
    except NotApplicable as error:
        return [Result("built", "can be built without parameters", "skipped", str(error))]
    except PluginError as error:
        return [Result("built", "can be built without parameters", "failed", str(error))]


def _stand_ins(plugin_class: type, data_root: Path) -> dict[str, str]:
    """What required parameters are given: for each contract a plugin that needs none, and files that are at hand."""
    required = [row["name"] for row in parameters_of(plugin_class) if row["required"]]
    contracts = {name: contract_in(type_of(plugin_class, name)) for name in required}
    others = [name for name, contract in contracts.items() if contract is None]
    if others:
        raise NotApplicable(
            f"{', '.join(others)} has no default; check it from its own tests, with softal_bench.conformance.testing"
        )
    return {name: _stand_in(contract, data_root) for name, contract in contracts.items() if contract}


def _stand_in(contract: type, data_root: Path) -> str:
    registry = next(registry for registry in registries.values() if issubclass(contract, registry.contract))
    names = sorted(registry.names(), key=lambda name: registry.listing(name).distribution != _OURS)
    for name in names:
        if _serves(registry, name, contract, data_root):
            return name
    raise NotApplicable(f"there is no {registry.noun} at hand that it could wrap")


def _serves(registry: Registry[Any], name: str, contract: type, data_root: Path) -> bool:
    """Whether it can be built without parameters, and its files, if it has any, are at hand."""
    try:
        plugin = registry.build(name)
        if isinstance(plugin, Dataset):
            plugin.load(data_root, torch.Generator())
    except Exception:
        return False
    return isinstance(plugin, contract)
