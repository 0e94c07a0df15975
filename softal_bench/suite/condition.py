"""A condition: everything that determines the results of a trial except the number of the trial.

The key of a trial is a hash of its condition, its number, the revisions of the plugins and the revision of the
protocol. It names the trial's journal, so it must not change while the results stay the same.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset, TrainingRegime
from softal_bench.errors import PluginError, SuiteError, suggestion
from softal_bench.registry import Plugin, registries

# The revision of all code that affects results and is not a plugin: seeds, partition, rounds, pools, evaluation, the
# mathematics that plugins share, and the measurement of cost cells. It is part of every key. Increase it by one in a
# change that alters results; otherwise the golden trials in `tests/golden` fail.
PROTOCOL_REVISION = 2

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class _Newer:
    """Marks a key of a suite file that was added after journals had been written.

    With its default value, such a key does not change results, so it is left out of the hash and of the journal's
    header. Journals that were written before the key existed therefore keep their names. Without the mark, each new key
    would orphan all of them.
    """


NEWER = _Newer()


def _plugin(kind: str) -> PlainValidator:
    """Return the validator of a field that holds a plugin of this kind. Each specification is resolved once."""

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


NAME_OR_PARAMETERS = WithJsonSchema(
    {
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
)
AcquisitionPlugin = Annotated[Plugin[AcquisitionFunction], _plugin("acquisitions"), NAME_OR_PARAMETERS]
ModelPlugin = Annotated[Plugin[BayesianModel], _plugin("models"), NAME_OR_PARAMETERS]
DatasetPlugin = Annotated[Plugin[Dataset], _plugin("datasets"), NAME_OR_PARAMETERS]


class Part(BaseModel):
    """A named part of a condition that is not a plugin. Like a plugin, it is matched by its name or its label."""

    model_config = STRICT

    @property
    def name(self) -> str:
        """The name in the suite file."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """A short text for tables."""
        raise NotImplementedError


class StartSet(BaseModel):
    """The labelled set at the start of a trial, drawn at random from the training examples outside validation."""

    model_config = STRICT

    size: int = Field(20, ge=1, description="Number of labels at the start.")
    balanced: bool = Field(False, description="Draw the same number of examples of each class.")
    fixed: Annotated[bool, NEWER] = Field(
        False, description="Draw one start set and use it in all trials; otherwise, each trial draws its own."
    )


class ValidationSet(BaseModel):
    """How the validation set is drawn. By default, it is drawn at random from all training examples."""

    model_config = STRICT

    stratified: Annotated[bool, NEWER] = Field(
        False, description="Draw each class in proportion to its share of the training examples, up to rounding."
    )
    fixed: Annotated[bool, NEWER] = Field(
        False, description="Draw one validation set and use it in all trials; otherwise, each trial draws its own."
    )
    before_repetition: Annotated[bool, NEWER] = Field(
        False,
        description="Draw it before a wrapper repeats examples: one copy of each example that is drawn is used for "
        "validation, and its other copies are removed from the pool.",
    )


class TargetSet(BaseModel):
    """The inputs whose predictions matter to acquisition functions that need targets; drawn anew in each round.

    Only inputs are read, never labels.
    """

    model_config = STRICT

    size: int = Field(
        100, ge=1, description="Number of target inputs, drawn without replacement; all inputs if there are fewer."
    )
    of: Literal["pool", "validation", "test"] = Field(
        "pool", description="Where they are drawn from: all unlabelled points, the validation set or the test set."
    )


class AnyCondition(BaseModel):
    """The keys that conditions of all kinds of suites share."""

    model_config = STRICT

    acquisition: AcquisitionPlugin = Field(description="Acquisition function: a name, or a name with its parameters.")
    batch_size: int = Field(ge=1, description="Acquisition batch size B.")
    posterior_samples: int = Field(20, ge=1, description="Number of posterior samples K for the acquisition function.")
    threads: int = Field(
        1,
        ge=1,
        le=1024,
        description="Number of CPU threads. It is part of the condition because it changes rounding and speed.",
    )
    seed: int = Field(0, ge=0, description="The suite's seed, from which all other seeds are derived.")

    def require_sound(self) -> None:
        """Raise SuiteError if the values contradict one another. The data are not needed."""
        least = self.acquisition.instance.least_samples
        if self.posterior_samples < least:
            raise SuiteError(
                f"posterior_samples: K is {self.posterior_samples}; {self.acquisition.label} needs at least {least}"
            )

    def decisive(self) -> Self:
        """Return a copy in which keys that do not affect the results of this condition are None."""
        return self

    def describe(self) -> dict[str, Any]:
        """Return the condition as JSON for the journal's header, without absent keys and `NEWER` keys at their default.

        The inverse is `softal_bench.suite.condition_of`.
        """
        described: dict[str, Any] = _as_json(self.decisive(), labels=True)
        return described

    def key(self, trial: int) -> str:
        """Return 16 hexadecimal digits: a hash of the condition, the trial number and the revisions of code.

        The revisions are those of the plugins and `PROTOCOL_REVISION`. Versions of packages are not included, so that
        a refactoring does not orphan journals.
        """
        revisions = [plugin.revision for plugin in self.plugins()]
        parts = [_as_json(self.decisive(), labels=False), trial, revisions, PROTOCOL_REVISION]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def spec(self) -> dict[str, Any]:
        """Return the condition in the form of suite files: plain data from which the class makes an equal condition."""
        return {name: _as_spec(getattr(self, name)) for name in self.model_fields_set}

    def value(self, key: str) -> Any:
        """Return the value of a dotted key; for a plugin or another named part, its label.

        Raises:
            SuiteError: if the key is unknown.
        """
        value = _dig(self, key)
        return value.label if isinstance(value, Plugin | Part) else value

    def matches(self, where: Mapping[str, Any]) -> bool:
        """Return whether each key has the given value, or one of a list of values.

        A plugin or another named part is matched by its name or its label, anything else by its value.

        Raises:
            SuiteError: if a key is unknown.
        """
        return all(_is_one_of(_dig(self, key), wanted) for key, wanted in where.items())

    def plugins(self) -> list[Plugin[Any]]:
        """Return the plugins of the condition, sorted by their keys."""
        return list(_plugins_in(self))


class Condition(AnyCondition):
    """A combination of a suite's matrix. Trials with the same key have the same journal, apart from timings."""

    dataset: DatasetPlugin = Field(description="Data set: a name, or a name with its parameters.")
    model: ModelPlugin = Field(description="Bayesian model: a name, or a name with its parameters.")
    budget: int = Field(
        ge=1, description="Acquire batches while there are fewer labels than this; every batch is full."
    )
    validation_size: int = Field(
        ge=0,
        description="Number of training examples set aside for early stopping. If it is 0, training always runs for "
        "max_epochs.",
    )
    validation: Annotated[ValidationSet, NEWER] = Field(ValidationSet(), description="How the validation set is drawn.")
    targets: TargetSet = Field(TargetSet(), description="Target inputs for acquisition functions that need them.")
    initial: StartSet = Field(StartSet(), description="The labelled set at the start.")
    pool_subset: int | None = Field(
        None,
        ge=1,
        description="Number of points to score in each round, a random subset of the pool; if absent, the whole pool.",
    )
    training: TrainingRegime = Field(TrainingRegime(), description="How the model is trained in each round.")

    @property
    def regime(self) -> TrainingRegime:
        """How the model is trained and evaluated. The suite or the model defines the number of evaluation samples."""
        return self.training.for_model(self.model.instance)

    @property
    def target_set(self) -> TargetSet | None:
        """How target inputs are drawn; None if the acquisition function needs none."""
        return self.targets if "targets" in self.acquisition.instance.needs else None

    def decisive(self) -> Self:
        return self.model_copy(update={"targets": self.target_set})

    def require_sound(self) -> None:
        super().require_sound()
        if self.budget < self.initial.size:
            raise SuiteError(
                f"budget: {self.budget} is below initial.size, the {self.initial.size} labels of the start set"
            )
        if self.validation_size == 0 and self.target_set is not None and self.targets.of == "validation":
            raise SuiteError("targets.of: there is no validation set, because validation_size is 0; use pool or test")
        if self.pool_subset is not None and self.pool_subset < self.batch_size:
            raise SuiteError(f"pool_subset: {self.pool_subset} is below batch_size {self.batch_size}")


def _dig(data: Any, key: str) -> Any:
    """Return the value of a dotted key. Return None for a parameter of a plugin or part that has another name.

    Raises:
        SuiteError: if there is no such key; the message suggests the nearest one.
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


def _is_one_of(value: Any, wanted: Any) -> bool:
    options = wanted if isinstance(wanted, list) else [wanted]
    if isinstance(value, Plugin | Part):
        return value.name in options or value.label in options
    return any(isinstance(value, bool) == isinstance(option, bool) and value == option for option in options)


def _as_json(value: Any, labels: bool) -> Any:
    if isinstance(value, Plugin):
        described = value.describe()
        return described if labels else {key: described[key] for key in ("name", "parameters")}
    if not isinstance(value, BaseModel):
        return value
    present = {}
    for name, field in type(value).model_fields.items():
        inner = getattr(value, name)
        if inner is not None and not (NEWER in field.metadata and inner == field.default):
            present[name] = _as_json(inner, labels)
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
