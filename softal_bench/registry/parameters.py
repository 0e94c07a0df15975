"""Specifications of plugins in suite files, and their parameters: the fields of a plugin's frozen dataclass."""

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset
from softal_bench.errors import PluginError, shown

Field = dataclasses.Field[Any]
MISSING = dataclasses.MISSING


def name_and_parameters(specification: object) -> tuple[str, dict[str, Any]] | None:
    """Parse `name` or `{name: parameters}`; return None if it is neither. `{name: null}` has no parameters.

    >>> name_and_parameters("bald"), name_and_parameters({"power": {"temperature": 0.5}}), name_and_parameters(3)
    (('bald', {}), ('power', {'temperature': 0.5}), None)
    """
    if isinstance(specification, str):
        return specification, {}
    if not isinstance(specification, Mapping) or len(specification) != 1:
        return None
    ((name, parameters),) = specification.items()
    if parameters is None:
        parameters = {}
    if not isinstance(name, str) or not isinstance(parameters, Mapping):
        return None
    return (name, dict(parameters)) if all(isinstance(key, str) for key in parameters) else None


def value_text(value: Any) -> str:
    """Return a value of a suite as text: a plugin as `name(parameter=value)`, a string unchanged, others as JSON.

    >>> value_text("bald"), value_text(None), value_text([1, 2.5]), value_text({"size": 20})
    ('bald', 'null', '[1, 2.5]', '{"size": 20}')
    >>> value_text({"repeated": {"of": {"mnist": {}}, "times": 2}})
    'repeated(of=mnist, times=2)'
    """
    named = name_and_parameters(value)
    if named is None:
        return json.dumps(to_jsonable_python(value), ensure_ascii=False)
    name, parameters = named
    return f"{name}({parameters_text(parameters)})" if parameters else name


def parameters_text(parameters: Mapping[str, Any]) -> str:
    """Return parameters as text: `score=bald, temperature=0.125`."""
    return ", ".join(f"{name}={value_text(value)}" for name, value in parameters.items())


def fields_of(plugin_class: type) -> dict[str, Field]:
    """Return the dataclass fields of the parameters by name, in order."""
    return {field.name: field for field in dataclasses.fields(plugin_class) if field.init}


def default_of(field: Field) -> Any:
    """Return the default value, or MISSING."""
    return field.default_factory() if field.default_factory is not MISSING else field.default


def type_of(plugin_class: type, name: str) -> Any:
    """Return the evaluated annotation of a parameter."""
    return annotations_of(plugin_class)[name]


def annotations_of(plugin_class: type) -> dict[str, Any]:
    """Return the evaluated annotations of a class by name. Errors in evaluating them are raised unchanged."""
    return typing.get_type_hints(plugin_class, include_extras=True)


def contract_in(annotation: Any) -> type | None:
    """Return the contract in an annotation `Contract` or `Contract | None`: the parameter takes a plugin.

    Return None for any other annotation.
    """
    contracts = (AcquisitionFunction, BayesianModel, Dataset)
    return next(
        (option for option in _options(annotation) if inspect.isclass(option) and issubclass(option, contracts)),
        None,
    )


def takes_none(annotation: Any) -> bool:
    """Return whether the annotation allows None."""
    return type(None) in _options(annotation)


def checked(where: str, annotation: Any, value: object) -> Any:
    """Return the value if it fits the annotation, strictly: a string or a truth value is not a number.

    Raises:
        PluginError: if it does not fit; the message names `where`, the problem and the value.
    """
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(value, allow_nan=False), strict=True)
    except ValidationError as error:
        raise PluginError(f"{where}: {error.errors()[0]['msg']}; got {shown(value)}") from error
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"{where}: need a finite number, a string, true or false, a list or a mapping; got {shown(value)}"
        ) from error


def label_of(name: str, instance: Any, nested: Mapping[str, str]) -> str:
    """Return the display name of a plugin: `power(bald, T=0.125)`.

    Args:
        name: the name of its entry point.
        instance: the plugin.
        nested: the labels of the plugins in it, by parameter. A plugin with nested plugins shows all its parameters;
            any other shows those that have a symbol in their field or differ from their default.
    """
    parts = []
    for key, field in fields_of(type(instance)).items():
        value = getattr(instance, key)
        if key in nested:
            parts.append(nested[key])
        elif nested or "symbol" in field.metadata or value != default_of(field):
            text = _shortest(value) if isinstance(value, float) else str(value)
            parts.append(f"{field.metadata.get('symbol', key)}={text}")
    return f"{name}({', '.join(parts)})" if parts else name


def _shortest(value: float) -> str:
    """Return the value in the format `:g` if that is exact, otherwise its `repr`."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _options(annotation: Any) -> tuple[Any, ...]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)
