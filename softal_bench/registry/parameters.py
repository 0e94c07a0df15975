"""The parameters of a plugin: the fields of its frozen dataclass, read from its annotations."""

import dataclasses
import inspect
import json
import types
import typing
from typing import Any

from pydantic import TypeAdapter, ValidationError

from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset
from softal_bench.errors import PluginError, shown

Field = dataclasses.Field[Any]
MISSING = dataclasses.MISSING


def fields_of(plugin_class: type) -> dict[str, Field]:
    """The parameters' fields by name, in their order."""
    return {field.name: field for field in dataclasses.fields(plugin_class) if field.init}


def default_of(field: Field) -> Any:
    """The default value, or MISSING."""
    return field.default_factory() if field.default_factory is not MISSING else field.default


def type_of(plugin_class: type, name: str) -> Any:
    """The annotation of a parameter, evaluated."""
    return annotations_of(plugin_class)[name]


def contract_in(annotation: Any) -> type | None:
    """The contract class that a parameter is annotated with, alone or as `Contract | None`: it takes a plugin."""
    contracts = (AcquisitionFunction, BayesianModel, Dataset)
    return next(
        (option for option in _options(annotation) if inspect.isclass(option) and issubclass(option, contracts)),
        None,
    )


def takes_none(annotation: Any) -> bool:
    """Whether None is a value of the annotation."""
    return type(None) in _options(annotation)


def checked(where: str, annotation: Any, value: object) -> Any:
    """The value as its annotation wants it, strictly: no text for a number, no truth value for a number.

    Raises:
        PluginError: naming `where`, what is wrong and what came.
    """
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(value, allow_nan=False), strict=True)
    except ValidationError as error:
        raise PluginError(f"{where}: {error.errors()[0]['msg']}; got {shown(value)}") from error
    except (TypeError, ValueError) as error:
        raise PluginError(f"{where}: {shown(value)} is no finite number, text, truth value, list or mapping") from error


def annotations_of(plugin_class: type) -> dict[str, Any]:
    """Its annotations by name, evaluated; raises what evaluating them raises."""
    return typing.get_type_hints(plugin_class, include_extras=True)


def _options(annotation: Any) -> tuple[Any, ...]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)
