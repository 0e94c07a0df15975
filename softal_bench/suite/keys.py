"""The keys of a suite file that are not part of a condition."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


class ReportOptions(BaseModel):
    """What the page shows."""

    model_config = _STRICT

    targets: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.9, 0.95], min_length=1, description="Test accuracies for which the labels needed are shown."
    )
    reference: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="Published figures to be set beside ours: NAME of references/NAME.yaml beside the suite's file.",
    )
    against: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$",
        description="A parameter of acquisition functions, temperature say, against which labels and area are drawn.",
    )


class Override(BaseModel):
    """Keys to set where a combination matches."""

    model_config = _STRICT

    where: dict[str, Any] = Field(min_length=1, description="Key: value or list of values; all keys have to match.")
    set: dict[str, Any] = Field(min_length=1, description="Key: value.")


SUITE_NAME = r"^[A-Za-z0-9_-]{1,100}$"


class SuiteKeys(BaseModel):
    """The keys of every suite file that are not part of a condition."""

    model_config = _STRICT

    name: str = Field(pattern=SUITE_NAME, description="Letters, digits, _ and -; names folders and pages.")

    @field_validator("name")
    @classmethod
    def _is_no_index(cls, name: str) -> str:
        if name.lower() == "readme":
            raise PydanticCustomError(
                "name", "'{name}' is the leaderboard's index; choose another name", {"name": name}
            )
        return name

    title: str | None = Field(None, description="The page's heading; the name if absent.")
    description: str = Field("", description="What the suite asks, for the page.")
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$", description="auto is cuda where there is one, else cpu."
    )
    matrix: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="Key: list of values; lists multiply into conditions."
    )
    exclude: list[Annotated[dict[str, Any], Field(min_length=1)]] = Field([], description="Combinations taken out.")
    overrides: list[Override] = Field([], description="Keys set where a combination matches.")


class TrialLimits(BaseModel):
    """What a trial may take before it is ended and recorded as `timeout`. It decides no number, so it is in no key."""

    model_config = _STRICT

    select_seconds: float | None = Field(
        None, gt=0, le=31_536_000, description="Seconds of one call of select, predictions of the pool included."
    )
    trial_hours: float | None = Field(
        None, gt=0, le=87_600, description="Hours of a trial, those of the rounds that its journal has included."
    )


class Resources(BaseModel):
    """What a trial asks of a Ray cluster."""

    model_config = _STRICT

    cpus: float | None = Field(None, ge=0, le=1024, description="CPU cores; as many as `threads` if absent.")
    gpus: float = Field(0.0, ge=0, le=64, description="GPUs; 0.25 lets four trials share one.")


class TrialSuiteKeys(SuiteKeys):
    """Those of a suite of trials: accuracy per label, and seconds of each round."""

    kind: Literal["trials"] = Field("trials", description="What the suite measures.")
    trials: int = Field(5, ge=1, le=100_000, description="Trials of each condition; each has seeds of its own.")
    limits: TrialLimits = Field(TrialLimits(), description="What a trial may take; nothing is limited if absent.")
    resources: Resources = Field(Resources(), description="What a trial asks of a Ray cluster.")
    report: ReportOptions = Field(ReportOptions(), description="What the page shows.")


class Ratio(BaseModel):
    """Which acquisition functions' seconds the page divides by another's; by name or by label."""

    model_config = _STRICT

    of: list[str] = Field(min_length=1, description="Numerators.")
    to: str = Field(description="Denominator.")


class CostReportOptions(BaseModel):
    """What the page of a cost suite shows."""

    model_config = _STRICT

    ratio: Ratio | None = Field(None, description="Ratios of seconds, at each B.")
    same_batch: list[Annotated[list[str], Field(min_length=2)]] = Field(
        [],
        description="Groups of acquisition functions, by name or label, that should choose the same batch: the page "
        "shows how far each agrees with the first of its group, and the ratio of their seconds.",
    )


class CostSuiteKeys(SuiteKeys):
    """Those of a cost suite: seconds and peak memory of one selection."""

    kind: Literal["cost"] = Field(description="What the suite measures.")
    report: CostReportOptions = Field(CostReportOptions(), description="What the page shows.")
