"""A condition: everything that decides the numbers of a trial but its seed's number."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from softal_bench.contracts import TrainingRegime
from softal_bench.errors import SuiteError, suggestion
from softal_bench.registry import Plugin
from softal_bench.suite.plugin_fields import AcquisitionPlugin, DatasetPlugin, ModelPlugin

# The revision of everything that decides numbers and is not a plugin: seeds, partition, rounds, pools, evaluation, the
# mathematics that plugins share, and how cost cells are measured. It is part of every key. Raise it by one if a change
# alters results; the golden trials in `tests/golden` fail where that was forgotten.
PROTOCOL_REVISION = 2

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class Part(BaseModel):
    """A named part of a condition that is not a plugin, matched like one: by name or by label."""

    model_config = STRICT

    @property
    def name(self) -> str:
        """As written in the suite file."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """Short, for tables."""
        raise NotImplementedError


NAMED = (Plugin, Part)


class StartSet(BaseModel):
    """The labelled set that a trial starts from, drawn at random from the training examples outside validation."""

    model_config = STRICT

    size: int = Field(20, ge=1, description="Labels at the start.")
    balanced: bool = Field(False, description="Whether each class has the same number of them.")
    fixed: bool | None = Field(
        None, description="true draws one start set, the same in all trials; absent, one a trial."
    )


class ValidationSet(BaseModel):
    """How the validation set is drawn. Without these keys it is drawn at random from all training examples."""

    model_config = STRICT

    stratified: bool | None = Field(
        None, description="true takes as many of each class as its share of the training examples, to rounding."
    )
    fixed: bool | None = Field(None, description="true draws one set, the same in all trials; absent, one a trial.")
    before_repetition: bool | None = Field(
        None,
        description="true draws it before a wrapper repeats examples: one copy of each example drawn validates, and "
        "its other copies are left out of the pool.",
    )


class TargetSet(BaseModel):
    """The inputs whose predictions matter to acquisition functions that need targets; drawn anew in each round.

    Only inputs are read, never labels.
    """

    model_config = STRICT

    size: int = Field(100, ge=1, description="Target inputs, without replacement; all there are if they are fewer.")
    of: Literal["pool", "validation", "test"] = Field(
        "pool", description="Where they are drawn: all unlabelled points, the validation set, or the test set."
    )


class AnyCondition(BaseModel):
    """What conditions of every kind of suite share."""

    model_config = STRICT

    acquisition: AcquisitionPlugin = Field(description="Acquisition function: a name, or a name with its parameters.")
    batch_size: int = Field(ge=1, description="Acquisition batch size B.")
    posterior_samples: int = Field(20, ge=1, description="Posterior samples K of the acquisition function.")
    threads: int = Field(
        1, ge=1, le=1024, description="CPU threads; part of the condition: their number changes rounding and speed."
    )
    seed: int = Field(0, ge=0, description="The suite's seed, from which all seeds follow.")

    def require_sound(self) -> None:
        """Raise SuiteError if the values contradict one another, whatever the data."""
        least = self.acquisition.instance.least_samples
        if self.posterior_samples < least:
            raise SuiteError(
                f"posterior_samples: K is {self.posterior_samples}; {self.acquisition.label} needs at least {least}"
            )

    def decisive(self) -> Self:
        """The same with every key as it decides numbers: defaults filled in, and None where it decides none."""
        return self

    def describe(self) -> dict[str, Any]:
        """The condition as JSON, for the journal's header; what is absent is left out."""
        return {name: value for name, value in _as_json(self.decisive(), labels=True).items() if value is not None}

    def key(self, trial: int) -> str:
        """16 hexadecimal digits: a hash of the condition, the trial's number, the revisions of its plugins, and the
        harness's protocol revision.

        Versions of packages are not in it, so that a refactor does not orphan records.
        """
        revisions = [plugin.revision for plugin in _plugins_in(self)]
        parts = [_as_json(self.decisive(), labels=False), trial, revisions, PROTOCOL_REVISION]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def spec(self) -> dict[str, Any]:
        """The condition as a suite file would write it: plain data, from which its class makes an equal one."""
        return {name: _as_spec(getattr(self, name)) for name in self.model_fields_set}

    def value(self, key: str) -> Any:
        """The value of a dotted key; of a plugin or another named part its label."""
        value = dig(self, key)
        return value.label if isinstance(value, NAMED) else value

    def plugins(self) -> list[Plugin[Any]]:
        """The plugins that it names, in the order of their keys."""
        return list(_plugins_in(self))


class Condition(AnyCondition):
    """One combination of a suite's matrix. Its trials of the same number give the same journal, timings aside."""

    dataset: DatasetPlugin = Field(description="Data set: a name, or a name with its parameters.")
    model: ModelPlugin = Field(description="Bayesian model: a name, or a name with its parameters.")
    budget: int = Field(ge=1, description="Acquire while there are fewer labels than this; batches are always full.")
    validation_size: int = Field(ge=1, description="Training examples set apart for early stopping.")
    validation: ValidationSet | None = Field(None, description="How the validation set is drawn.")
    targets: TargetSet | None = Field(
        None,
        description="Target inputs of acquisition functions that need them; 100 of the pool if absent.",
    )
    initial: StartSet = Field(StartSet(), description="The labelled set at the start.")
    pool_subset: int | None = Field(
        None,
        ge=1,
        description="Score a random subset of this many points of the pool in each round; all of them if absent.",
    )
    training: TrainingRegime = Field(TrainingRegime(), description="How the model is trained in each round.")

    @property
    def regime(self) -> TrainingRegime:
        """How the model is trained and evaluated, with its own number of posterior samples where the suite has none."""
        return self.training.for_model(self.model.instance)

    @property
    def target_set(self) -> TargetSet | None:
        """How target inputs are drawn; None where the acquisition function does not need any."""
        needed = "targets" in self.acquisition.instance.needs
        return (self.targets or TargetSet()) if needed else None

    def decisive(self) -> Self:
        return self.model_copy(update={"targets": self.target_set})

    def require_sound(self) -> None:
        super().require_sound()
        if self.budget < self.initial.size:
            raise SuiteError(
                f"budget: {self.budget} is below initial.size, the {self.initial.size} labels of the start set"
            )
        if self.pool_subset is not None and self.pool_subset < self.batch_size:
            raise SuiteError(f"pool_subset: {self.pool_subset} is below batch_size {self.batch_size}")


def dig(data: Any, key: str) -> Any:
    """The value at a dotted key in mappings and models; None inside a plugin, or another named part, of another name.

    Raises:
        SuiteError: if there is no such key, with the nearest one.
    """
    for part in key.split("."):
        if isinstance(data, Plugin):
            data = {part: None, data.name: data.parameters}
        elif isinstance(data, Part):
            data = {part: None, data.name: {name: getattr(data, name) for name in type(data).model_fields}}
        if data is None:
            return None
        known = data if isinstance(data, Mapping) else type(data).model_fields if isinstance(data, BaseModel) else {}
        if part not in known:
            raise SuiteError(f"unknown key {key!r}{suggestion(part, known)} Known here: {', '.join(known) or 'none'}")
        data = data[part] if isinstance(data, Mapping) else getattr(data, part)
    return data


def _as_json(value: Any, labels: bool) -> Any:
    if isinstance(value, Plugin):
        described = value.describe()
        return described if labels else {key: described[key] for key in ("name", "parameters")}
    if not isinstance(value, BaseModel):
        return value
    inner = {name: _as_json(getattr(value, name), labels) for name in type(value).model_fields}
    present = {name: part for name, part in inner.items() if part is not None}
    if not isinstance(value, Part):
        return present
    return {"name": value.name, "parameters": present} | ({"label": value.label} if labels else {})


def _as_spec(value: Any) -> Any:
    if isinstance(value, Plugin):
        return {value.name: value.parameters}
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value


def _plugins_in(value: BaseModel) -> Iterator[Plugin[Any]]:
    for name in sorted(type(value).model_fields):
        part = getattr(value, name)
        if isinstance(part, Plugin):
            yield part
        elif isinstance(part, BaseModel):
            yield from _plugins_in(part)
