"""A condition: everything that decides the numbers of a trial but its seed's number."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset, TrainingRegime
from softal_bench.errors import PluginError, SuiteError, suggestion
from softal_bench.registry import Plugin, registries

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)
_SPECIFICATION = {
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


def _plugin(kind: str) -> Any:
    """Metadata of a field that holds a plugin of this kind, written as a name or as {name: {parameter: value}}."""

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


class StartSet(BaseModel):
    """The labelled set that a trial starts from, drawn at random from the training examples outside validation."""

    model_config = _STRICT

    size: int = Field(20, ge=1, description="Labels at the start.")
    balanced: bool = Field(False, description="Whether each class has the same number of them.")


class Condition(BaseModel):
    """One combination of the matrix. Its trials of the same number give the same journal, timings aside."""

    model_config = _STRICT

    dataset: Annotated[Plugin[Dataset], _plugin("datasets"), WithJsonSchema(_SPECIFICATION)] = Field(
        description="Data set: a name, or a name with its parameters."
    )
    model: Annotated[Plugin[BayesianModel], _plugin("models"), WithJsonSchema(_SPECIFICATION)] = Field(
        description="Bayesian model: a name, or a name with its parameters."
    )
    acquisition: Annotated[Plugin[AcquisitionFunction], _plugin("acquisitions"), WithJsonSchema(_SPECIFICATION)] = (
        Field(description="Acquisition function: a name, or a name with its parameters.")
    )
    batch_size: int = Field(ge=1, description="Acquisition batch size B.")
    budget: int = Field(ge=1, description="Acquire while there are fewer labels than this; batches are always full.")
    validation_size: int = Field(ge=1, description="Training examples set apart for early stopping.")
    initial: StartSet = Field(StartSet(), description="The labelled set at the start.")
    posterior_samples: int = Field(20, ge=1, description="Posterior samples K of the acquisition function.")
    pool_subset: int | None = Field(
        None,
        ge=1,
        description="Score a random subset of this many points of the pool in each round; all of them if absent.",
    )
    training: TrainingRegime = Field(TrainingRegime(), description="How the model is trained in each round.")
    threads: int = Field(
        1, ge=1, le=1024, description="CPU threads of a trial; part of the condition: it changes rounding."
    )
    seed: int = Field(0, ge=0, description="The suite's seed, from which all seeds of all trials follow.")

    def require_sizes_fit(self) -> None:
        """Raise SuiteError if the sizes contradict one another, whatever the data set."""
        if self.budget < self.initial.size:
            raise SuiteError(
                f"budget: {self.budget} is below initial.size, the {self.initial.size} labels of the start set"
            )
        if self.pool_subset is not None and self.pool_subset < self.batch_size:
            raise SuiteError(f"pool_subset: {self.pool_subset} is below batch_size {self.batch_size}")

    def describe(self) -> dict[str, Any]:
        """The condition as JSON, for the journal's header; what is absent is left out."""
        rest = self.model_dump(mode="json", exclude={"dataset", "model", "acquisition"}, exclude_none=True)
        return {
            "acquisition": self.acquisition.describe(),
            "dataset": self.dataset.describe(),
            "model": self.model.describe(),
            **rest,
        }

    def key(self, trial: int) -> str:
        """16 hexadecimal digits: a hash of the condition, the trial's number and the revisions of its plugins.

        Versions of packages are not in it, so that a refactor does not orphan records.
        """
        plugins = (self.acquisition, self.dataset, self.model)
        described = self.describe()
        for name in ("acquisition", "dataset", "model"):
            del described[name]["label"]
        parts = [described, trial, [plugin.revision for plugin in plugins]]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def value(self, key: str) -> Any:
        """The value of a dotted key; of a plugin its label."""
        value = dig(self, key)
        return value.label if isinstance(value, Plugin) else value


def dig(data: Any, key: str) -> Any:
    """The value at a dotted key in mappings and models.

    Raises:
        SuiteError: if there is no such key, with the nearest one.
    """
    for part in key.split("."):
        known = data if isinstance(data, Mapping) else type(data).model_fields if isinstance(data, BaseModel) else {}
        if part not in known:
            raise SuiteError(f"unknown key {key!r}{suggestion(part, known)} Known here: {', '.join(known) or 'none'}")
        data = data[part] if isinstance(data, Mapping) else getattr(data, part)
    return data
