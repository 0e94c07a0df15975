"""What a journal's header says of its condition -> the condition: the inverse of `AnyCondition.describe`."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from softal_bench.errors import SuiteError, shown
from softal_bench.suite.condition import Condition
from softal_bench.suite.cost import CostCondition
from softal_bench.suite.messages import validation_message

_DESCRIBED = {"label", "name", "parameters"}  # a plugin, or another named part


def condition_of(described: Mapping[str, Any]) -> Condition | CostCondition:
    """The condition that was described so; labels are not read, since they decide no number.

    Raises:
        SuiteError: if it is none, or a plugin that it names is not installed here or takes other parameters.
    """
    kind = CostCondition if "pool_size" in described else Condition
    try:
        return kind(**{key: _specification(value) for key, value in described.items()})
    except ValidationError as error:
        raise SuiteError(validation_message(error, kind, {})) from error
    except RecursionError as error:
        raise SuiteError(f"nested too deeply: {shown(described)}") from error


def _specification(value: Any) -> Any:
    """A described value as a suite file writes it: a plugin as {name: parameters}."""
    if not isinstance(value, dict):
        return value
    if value.keys() == _DESCRIBED and isinstance(value["name"], str):
        return {value["name"]: _specification(value["parameters"])}
    return {key: _specification(inner) for key, inner in value.items()}


def value_text(value: Any) -> str:
    """Return a value of a suite as text: a plugin as `name(parameter=value)`, other than strings as JSON.

    >>> value_text("bald"), value_text(None), value_text([1, 2.5])
    ('bald', 'null', '[1, 2.5]')
    >>> value_text({"repeated": {"of": {"mnist": {}}, "times": 2}})
    'repeated(of=mnist, times=2)'
    """
    match value:
        case str():
            return value
        case dict() if len(value) == 1 and isinstance(next(iter(value.values())), dict):
            ((name, parameters),) = value.items()
            return f"{name}({parameters_text(parameters)})" if parameters else str(name)
    return json.dumps(to_jsonable_python(value), ensure_ascii=False)


def parameters_text(parameters: dict[str, Any]) -> str:
    """Return parameters as text: `score=bald, temperature=0.125`."""
    return ", ".join(f"{name}={value_text(value)}" for name, value in parameters.items())
