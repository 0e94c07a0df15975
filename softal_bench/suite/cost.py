"""A condition of a cost suite: the measurement of a selection of B of N points under K posterior samples."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from softal_bench.contracts import TrainingRegime
from softal_bench.errors import SuiteError, shown
from softal_bench.registry.parameters import name_and_parameters
from softal_bench.suite.condition import NAME_OR_PARAMETERS, STRICT, AnyCondition, DatasetPlugin, ModelPlugin, Part
from softal_bench.suite.messages import validation_message


class SyntheticSource(Part):
    """Log-probs drawn at random, from nearly certain points to undecided ones; needs neither data nor a model."""

    num_classes: int = Field(10, ge=2, description="Number of classes C.")

    @property
    def name(self) -> str:
        return "synthetic"

    @property
    def label(self) -> str:
        return f"synthetic (C = {self.num_classes})"


class TrainedSource(Part):
    """Log-probs of a model at points of its pool; the model is trained in the same run on a few labels."""

    dataset: DatasetPlugin = Field(description="Data set.")
    model: ModelPlugin = Field(description="Bayesian model.")
    labels: int = Field(60, ge=1, description="Number of training labels, drawn at random.")
    validation_size: int = Field(256, ge=1, description="Number of training examples set aside for early stopping.")
    training: TrainingRegime = Field(TrainingRegime(), description="How the model is trained.")

    @property
    def name(self) -> str:
        return "trained"

    @property
    def label(self) -> str:
        labels = "" if self.labels == type(self).model_fields["labels"].default else f", {self.labels} labels"
        return f"{self.model.label} on {self.dataset.label}{labels}"


_SOURCES: dict[str, type[SyntheticSource] | type[TrainedSource]] = {
    "synthetic": SyntheticSource,
    "trained": TrainedSource,
}


def _source(specification: Any) -> SyntheticSource | TrainedSource:
    name, keys = name_and_parameters(specification) or (None, {})
    if name not in _SOURCES:
        reason = f"{shown(specification)} is not a source; use {' or '.join(_SOURCES)}, or {{name: {{key: value}}}}"
        raise PydanticCustomError("plugin", "{reason}", {"reason": reason})
    source_class = _SOURCES[name]
    try:
        return source_class(**keys)
    except ValidationError as error:
        reason = f"{name}.{validation_message(error, source_class, {})}"
        raise PydanticCustomError("plugin", "{reason}", {"reason": reason}) from error


Source = Annotated[SyntheticSource | TrainedSource, PlainValidator(_source), NAME_OR_PARAMETERS]


class Measurement(BaseModel):
    """The number of samples of a measurement: n = min(max_samples, max(1, floor(max_seconds / warm_up))).

    `warm_up` is the duration of the warm-up in seconds. So n is decided before any sample is taken, and does not depend
    on the spread of the samples.
    """

    model_config = STRICT

    min_samples: int = Field(
        5, ge=2, description="Show ranges of ratios only for cells with at least this many samples."
    )
    max_samples: int = Field(30, ge=2, description="Maximum number of samples.")
    max_seconds: float = Field(
        1.0,
        gt=0,
        le=86_400,
        description="Time budget: the number of samples is this divided by the seconds of the warm-up, at least one.",
    )


class Limits(BaseModel):
    """What a cell may use. A cell that exceeds a limit is ended and recorded as `timeout` or `out_of_memory`."""

    model_config = STRICT

    cell_seconds: float = Field(
        20.0, gt=0, le=86_400, description="Seconds that a cell may take, including the warm-up but not loading."
    )
    memory_gib: float = Field(
        8.0, gt=0, le=65_536, description="Memory that a cell may use in addition to its log-probs, in GiB; CPU only."
    )


class CostCondition(AnyCondition):
    """A cell: the acquisition function selects B of N points, and seconds and peak memory are measured."""

    pool_size: int = Field(ge=1, description="Number of points N in the pool.")
    source: Source = Field(SyntheticSource(), description="Where the log-probs come from: synthetic or trained.")
    measurement: Measurement = Field(Measurement(), description="How many samples a measurement has.")
    limits: Limits = Field(Limits(), description="The time and memory that a cell may use.")

    def require_sound(self) -> None:
        if self.pool_size < self.batch_size:
            raise SuiteError(f"pool_size: N = {self.pool_size} is below batch_size B = {self.batch_size}")
        if self.posterior_samples < 2:
            raise SuiteError(f"posterior_samples: K is {self.posterior_samples}; a cost suite needs at least 2")
        super().require_sound()
        needs = self.acquisition.instance.needs
        if needs:
            raise SuiteError(
                f"acquisition: {self.acquisition.label} needs {', '.join(sorted(needs))}, which the source "
                f"{self.source.label} does not provide; a cost suite measures selection from log-probs alone"
            )

    def sweep(self) -> str:
        """Return a key that is the same for cells that differ only in B."""
        return self.model_copy(update={"batch_size": 0}).key(0)
