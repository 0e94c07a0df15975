"""Where the log-probs of a cost suite come from."""

from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from softal_bench.contracts import TrainingRegime
from softal_bench.errors import shown
from softal_bench.suite.condition import Part
from softal_bench.suite.messages import validation_message
from softal_bench.suite.plugin_fields import SPECIFICATION, DatasetPlugin, ModelPlugin


class SyntheticSource(Part):
    """Log-probs drawn at random, with points from nearly certain to undecided; no data, no model."""

    num_classes: int = Field(10, ge=2, description="C.")

    @property
    def name(self) -> str:
        return "synthetic"

    @property
    def label(self) -> str:
        return f"synthetic (C = {self.num_classes})"


class TrainedSource(Part):
    """Log-probs of a model trained in the same run on a few labels, at points of its pool."""

    dataset: DatasetPlugin = Field(description="Data set.")
    model: ModelPlugin = Field(description="Bayesian model.")
    labels: int = Field(60, ge=1, description="Labels that it is trained on, drawn at random.")
    validation_size: int = Field(256, ge=1, description="Training examples set apart for early stopping.")
    training: TrainingRegime = Field(TrainingRegime(), description="How it is trained.")

    @property
    def name(self) -> str:
        return "trained"

    @property
    def label(self) -> str:
        shown = "" if self.labels == type(self).model_fields["labels"].default else f", {self.labels} labels"
        return f"{self.model.label} on {self.dataset.label}{shown}"


_SOURCES: dict[str, type[SyntheticSource] | type[TrainedSource]] = {
    "synthetic": SyntheticSource,
    "trained": TrainedSource,
}


def _source(specification: Any) -> SyntheticSource | TrainedSource:
    name, keys = _name_and_keys(specification)
    if name not in _SOURCES or not isinstance(keys, dict):
        reason = (
            f"{shown(specification)} is no source; use {' or '.join(_SOURCES)}, alone or as {{name: {{key: value}}}}"
        )
        raise PydanticCustomError("plugin", "{reason}", {"reason": reason})
    try:
        return _SOURCES[name](**keys)
    except ValidationError as error:
        raise PydanticCustomError(
            "plugin", "{reason}", {"reason": f"{name}.{validation_message(error, _SOURCES[name], {})}"}
        ) from error


def _name_and_keys(specification: Any) -> tuple[Any, Any]:
    if isinstance(specification, dict) and len(specification) == 1:
        ((name, keys),) = specification.items()
        return name, {} if keys is None else keys
    return (specification, {}) if isinstance(specification, str) else (None, None)


Source = Annotated[SyntheticSource | TrainedSource, PlainValidator(_source), WithJsonSchema(SPECIFICATION)]
