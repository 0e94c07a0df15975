"""Published figures that a suite is set beside: a file in the folder `references` beside the suite's."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from softal_bench.errors import SuiteError, shown, suggestion
from softal_bench.suite import safe_yaml
from softal_bench.suite.condition import Condition
from softal_bench.suite.matrix import matches
from softal_bench.suite.messages import located, validation_message

Quartiles = tuple[float, float, float]
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


def _quartiles(text: Any) -> Quartiles:
    """`172.5 / 200 / 212.5`, in which a number may be ∞; one value alone stands for all three."""
    parts = [part.strip() for part in str(text).split("/")]
    try:
        values = [math.inf if part == "∞" else float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) not in (1, 3) or any(math.isnan(value) for value in values) or values != sorted(values):
        raise PydanticCustomError("quartiles", "need quartiles such as 172.5 / 200 / 212.5, or one value for all")
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
    """What was published of one condition."""

    model_config = _STRICT

    published_as: str = Field(description="The method's name where it was published.")
    acquisition: str = Field(description="The suite's acquisition function that it stands beside: a name or a label.")
    batch_size: int = Field(ge=1, description="Acquisition batch size B.")
    labels: dict[Annotated[float, BeforeValidator(_target)], Annotated[Quartiles, BeforeValidator(_quartiles)]] = Field(
        min_length=1, description="Test accuracy: 25 %, 50 % and 75 % quantiles of the labels needed, ∞ if not reached."
    )


class Reference(BaseModel):
    """Published labels to reach an accuracy."""

    model_config = _STRICT

    title: str = Field(description="What they are.")
    source: str = Field(description="Where they were published.")
    differences: list[str] = Field([], description="What is known to differ between text, published runs and suite.")
    rows: list[PublishedRow] = Field(min_length=1, description="The conditions.")


def load_reference(suite_path: Path, name: str, conditions: Sequence[Condition]) -> Reference:
    """Read the reference that a suite names.

    Args:
        suite_path: the suite's file.
        name: the reference's: `references/<name>.yaml` beside the suite.
        conditions: all of the suite's.

    Raises:
        SuiteError: if it cannot be read, or a row does not stand beside exactly one condition.
    """
    path = suite_path.parent / "references" / f"{name}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        there = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise SuiteError(
            f"report.reference: {path} cannot be read{suggestion(name, there)} There: {', '.join(there) or 'none'}"
        ) from error
    with located(f"report.reference: {path}"):
        reference = _validated(safe_yaml.parse(text, "YAML"))
        for number, row in enumerate(reference.rows):
            _require_one(number, row, conditions)
    return reference


def beside(row: PublishedRow, conditions: Sequence[Condition]) -> list[Condition]:
    """The conditions that a row stands beside."""
    where = {"acquisition": row.acquisition, "batch_size": row.batch_size}
    return [condition for condition in conditions if matches(condition, where)]


def _validated(document: Any) -> Reference:
    if not isinstance(document, dict):
        raise SuiteError(f"a {type(document).__name__}, not a mapping of keys")
    try:
        return Reference(**document)
    except ValidationError as error:
        raise SuiteError(validation_message(error, Reference, {})) from error


def _require_one(number: int, row: PublishedRow, conditions: Sequence[Condition]) -> None:
    found = beside(row, conditions)
    if len(found) != 1:
        labels = sorted({f"{each.acquisition.label} at B = {each.batch_size}" for each in conditions})
        how = f"stands beside {len(found)} conditions, not one" if found else "is no condition of the suite"
        raise SuiteError(
            f"rows[{number}]: {shown(row.acquisition)} at B = {row.batch_size} {how}; the suite has {', '.join(labels)}"
        )
