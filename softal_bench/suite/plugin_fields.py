"""Fields of a condition that hold a plugin, written as a name or as {name: {parameter: value}}."""

import json
from functools import cache
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset
from softal_bench.errors import PluginError
from softal_bench.registry import Plugin, registries

SPECIFICATION = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {"type": ["object", "null"]},
        },
    ]
}


def _resolved_by(kind: str) -> PlainValidator:
    """The validator of a field that holds a plugin of this kind; each specification is resolved once."""

    @cache
    def resolved(specification: str) -> Plugin[Any] | PluginError:
        try:
            return registries[kind].resolve(json.loads(specification))
        except PluginError as error:
            return error

    def validate(specification: object) -> Plugin[Any]:
        result = resolved(json.dumps(specification, sort_keys=True))
        if isinstance(result, PluginError):
            raise PydanticCustomError("plugin", "{reason}", {"reason": str(result)})
        return result

    return PlainValidator(validate)


_SCHEMA = WithJsonSchema(SPECIFICATION)
AcquisitionPlugin = Annotated[Plugin[AcquisitionFunction], _resolved_by("acquisitions"), _SCHEMA]
ModelPlugin = Annotated[Plugin[BayesianModel], _resolved_by("models"), _SCHEMA]
DatasetPlugin = Annotated[Plugin[Dataset], _resolved_by("datasets"), _SCHEMA]
