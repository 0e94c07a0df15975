"""What a journal's header says of its condition -> the condition: the inverse of `AnyCondition.describe`."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

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
