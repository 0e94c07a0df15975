"""Every parameter of a built-in model or data set has a description of one line."""

import dataclasses
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest
from softal_plugins import datasets, models

from softal_bench.contracts import BayesianModel, Dataset


def plugins_of(package: ModuleType, contract: type) -> list[type]:
    names = [f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__)]
    classes = [one for name in names for _, one in inspect.getmembers(importlib.import_module(name), inspect.isclass)]
    own = [one for one in classes if issubclass(one, contract) and one.__module__.startswith(package.__name__)]
    return sorted({one for one in own if dataclasses.is_dataclass(one)}, key=lambda one: one.__name__)


@pytest.mark.parametrize("plugin", [*plugins_of(models, BayesianModel), *plugins_of(datasets, Dataset)])
def test_every_parameter_has_a_meaning(plugin: type) -> None:
    meanings = [field.metadata.get("meaning", "") for field in dataclasses.fields(plugin)]
    assert all(meaning and "\n" not in meaning for meaning in meanings)


def test_the_built_in_models_and_data_sets_are_found() -> None:
    assert len(plugins_of(models, BayesianModel)) >= 5
    assert len(plugins_of(datasets, Dataset)) >= 10
