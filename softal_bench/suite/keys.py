"""The keys of a suite file that are not part of a condition, and the published figures to which a suite can refer.

Published figures are in a file `references/<name>.yaml` next to the suite's file.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from softal_bench.errors import SuiteError, shown, suggestion
from softal_bench.machine.files import read_regular
from softal_bench.suite import safe_yaml
from softal_bench.suite.condition import Condition
from softal_bench.suite.messages import located, validation_message

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)
SUITE_NAME = r"^[A-Za-z0-9_-]{1,100}$"


class Override(BaseModel):
    """Keys to set in the combinations that match."""

    model_config = _STRICT

    where: dict[str, Any] = Field(min_length=1, description="Key: value or list of values; all keys have to match.")
    set: dict[str, Any] = Field(min_length=1, description="Key: value.")


class SuiteKeys(BaseModel):
    """The keys of every suite file that are not part of a condition."""

    model_config = _STRICT

    name: str = Field(pattern=SUITE_NAME, description="Letters, digits, _ and -; names folders and pages.")

    @field_validator("name")
    @classmethod
    def _is_not_the_index(cls, name: str) -> str:
        if name.lower() == "readme":
            raise PydanticCustomError(
                "name", "'{name}' is the name of the leaderboard's index; choose another name", {"name": name}
            )
        return name

    title: str | None = Field(None, description="The heading of the page; if absent, the name.")
    description: str = Field("", description="The question that the suite answers, shown on the page.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$",
        description="Where the suite runs; auto is cuda if there is a CUDA device, and cpu otherwise.",
    )
    matrix: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="Key: list of values. The conditions are all combinations of the values."
    )
    exclude: list[Annotated[dict[str, Any], Field(min_length=1)]] = Field([], description="Combinations to leave out.")
    overrides: list[Override] = Field([], description="Keys to set in the combinations that match.")


class TrialLimits(BaseModel):
    """The time that a trial may take before it is ended and recorded as `timeout`.

    Limits do not change any number, so they are not part of the key.
    """

    model_config = _STRICT

    select_seconds: float | None = Field(
        None, gt=0, le=31_536_000, description="Seconds of one call of select, including predictions for the pool."
    )
    trial_hours: float | None = Field(
        None, gt=0, le=87_600, description="Hours of a trial, including the rounds that are already in its journal."
    )


class Resources(BaseModel):
    """The resources that a trial requests from a Ray cluster."""

    model_config = _STRICT

    cpus: float | None = Field(None, ge=0, le=1024, description="Number of CPU cores; if absent, `threads`.")
    gpus: float = Field(0.0, ge=0, le=64, description="Number of GPUs; with 0.25, four trials share one.")


class ReportOptions(BaseModel):
    """What the page of a suite of trials shows."""

    model_config = _STRICT

    targets: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.9, 0.95], min_length=1, description="Test accuracies for which the page shows the number of labels needed."
    )
    reference: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="Published figures to compare with: NAME of references/NAME.yaml next to the suite's file.",
    )
    against: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$",
        description="A parameter of acquisition functions, such as temperature; the page plots labels and area against "
        "it.",
    )


class TrialSuiteKeys(SuiteKeys):
    """The keys of a suite of trials, which measures the accuracy for each number of labels and the time of rounds."""

    kind: Literal["trials"] = Field("trials", description="What the suite measures.")
    trials: int = Field(
        5, ge=1, le=100_000, description="Number of trials of each condition; each trial has its own seeds."
    )
    limits: TrialLimits = Field(TrialLimits(), description="The time that a trial may take; unlimited if absent.")
    resources: Resources = Field(Resources(), description="The resources that a trial requests from a Ray cluster.")
    report: ReportOptions = Field(ReportOptions(), description="What the page shows.")


class Ratio(BaseModel):
    """Acquisition functions, by name or label, whose durations the page divides by that of another one."""

    model_config = _STRICT

    of: list[str] = Field(min_length=1, description="Numerators.")
    to: str = Field(description="Denominator.")


class CostReportOptions(BaseModel):
    """What the page of a cost suite shows."""

    model_config = _STRICT

    ratio: Ratio | None = Field(None, description="Ratios of durations, for each B.")
    same_batch: list[Annotated[list[str], Field(min_length=2)]] = Field(
        [],
        description="Groups of acquisition functions, by name or label, that should select the same batch. The page "
        "shows how far each agrees with the first of its group, and the ratio of their durations.",
    )


class CostSuiteKeys(SuiteKeys):
    """The keys of a cost suite, which measures the duration and peak memory of one selection."""

    kind: Literal["cost"] = Field(description="What the suite measures.")
    report: CostReportOptions = Field(CostReportOptions(), description="What the page shows.")


Quartiles = tuple[float, float, float]


def _quartiles(text: Any) -> Quartiles:
    """Parse quartiles such as `172.5 / 200 / 212.5`. Each may be ∞, and a single value is used for all three."""
    parts = [part.strip() for part in str(text).split("/")]
    try:
        values = [math.inf if part == "∞" else float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) not in (1, 3) or any(math.isnan(value) for value in values) or values != sorted(values):
        raise PydanticCustomError("quartiles", "need quartiles such as 172.5 / 200 / 212.5, or a single value")
    return (values[0], values[-1] if len(values) == 1 else values[1], values[-1])


def _target(text: Any) -> float:
    try:
        target = float(text)
    except (TypeError, ValueError):
        target = math.nan
    if not 0 < target < 1:
        raise PydanticCustomError("target", "need an accuracy above 0 and below 1")
    return target


class PublishedRow(BaseModel):
    """The published results of one condition."""

    model_config = _STRICT

    published_as: str = Field(description="The method's name in the publication.")
    acquisition: str = Field(description="The acquisition function of the suite to compare with: a name or a label.")
    batch_size: int = Field(ge=1, description="Acquisition batch size B.")
    labels: dict[Annotated[float, BeforeValidator(_target)], Annotated[Quartiles, BeforeValidator(_quartiles)]] = Field(
        min_length=1,
        description="Test accuracy: 25 %, 50 % and 75 % quantiles of the number of labels needed; ∞ if not reached.",
    )

    def matching(self, conditions: Sequence[Condition]) -> list[Condition]:
        """Return the conditions with the row's acquisition function and batch size."""
        where = {"acquisition": self.acquisition, "batch_size": self.batch_size}
        return [condition for condition in conditions if condition.matches(where)]


class Reference(BaseModel):
    """Published numbers of labels that are needed to reach an accuracy."""

    model_config = _STRICT

    title: str = Field(description="What the figures are.")
    source: str = Field(description="Where they were published.")
    differences: list[str] = Field(
        [], description="Known differences between the publication, its published runs and the suite."
    )
    rows: list[PublishedRow] = Field(min_length=1, description="The conditions.")


def load_reference(suite_path: Path, name: str, conditions: Sequence[Condition]) -> Reference:
    """Read the published figures that a suite refers to.

    Args:
        suite_path: the suite's file.
        name: the name of the file `references/<name>.yaml` next to it.
        conditions: all conditions of the suite.

    Raises:
        SuiteError: if the file cannot be read, or a row does not match exactly one condition.
    """
    path = suite_path.parent / "references" / f"{name}.yaml"
    try:
        text = read_regular(path, max_bytes=safe_yaml.MAX_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        names = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise SuiteError(
            f"report.reference: {path} cannot be read{suggestion(name, names)} Available: {', '.join(names) or 'none'}"
        ) from error
    with located(f"report.reference: {path}"):
        document = safe_yaml.parse(text, "YAML")
        if not isinstance(document, dict):
            raise SuiteError(f"need a mapping of keys; got {type(document).__name__}")
        try:
            reference = Reference(**document)
        except ValidationError as error:
            raise SuiteError(validation_message(error, Reference, {})) from error
        for number, row in enumerate(reference.rows):
            _require_one(number, row, conditions)
    return reference


def _require_one(number: int, row: PublishedRow, conditions: Sequence[Condition]) -> None:
    found = row.matching(conditions)
    if len(found) != 1:
        labels = sorted({f"{each.acquisition.label} at B = {each.batch_size}" for each in conditions})
        how = f"matches {len(found)} conditions; need exactly one" if found else "does not match any condition"
        raise SuiteError(
            f"rows[{number}]: {shown(row.acquisition)} at B = {row.batch_size} {how}; the suite has {', '.join(labels)}"
        )
