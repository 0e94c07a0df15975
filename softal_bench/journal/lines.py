"""The lines of a journal: a type for each kind, their validation and their encoding.

A journal is a JSON-lines file. Each line is an object whose `kind` names one of the types below; the other keys are the
fields of the type. Kinds and keys that this version does not know are skipped, so that it reads the journals of newer
versions of the same schema.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from softal_bench.errors import shown

SCHEMA = 1

# Real values do not reach these bounds. They keep sums and roundings finite even for an untrusted journal.
Seconds = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Positive = Annotated[int, Field(ge=1, le=2**53)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Status(StrEnum):
    """The status of a job, in the order in which tables show them."""

    DONE = "done"
    RUNNING = "running"
    STALE = "stale"  # finished, but computed with code that differs from the installed code
    FAILED = "failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    UNFINISHED = "unfinished"
    UNREADABLE = "unreadable"
    NOT_TRIED = "not_tried"  # a cost cell that was skipped because a smaller batch exceeded a limit
    NOT_RUN = "not_run"
    ELSEWHERE = "elsewhere"  # a cost cell that was measured on another device than the others

    @property
    def words(self) -> str:
        """The status as text for pages and tables."""
        return _WORDS.get(self, self.value.replace("_", " "))


_WORDS = {Status.TIMEOUT: "timed out", Status.UNREADABLE: "not readable", Status.ELSEWHERE: "on another device"}
FAILURES = (Status.FAILED, Status.TIMEOUT, Status.OUT_OF_MEMORY)
OVER_A_LIMIT = (Status.TIMEOUT, Status.OUT_OF_MEMORY)
Ending = Literal[Status.DONE, Status.FAILED, Status.TIMEOUT, Status.OUT_OF_MEMORY]


class LineError(ValueError):
    """A line that cannot be part of a journal. The message follows the words `line 3`."""


@dataclass(frozen=True, kw_only=True)
class PluginSource:
    """A plugin that a job used.

    Attributes:
        kind: the kind of the plugin, as in the registry.
        name: the name of its entry point.
        label: its display name, with its parameters.
        distribution, version: the distribution that provides it, with its version.
        revision: the revision that the plugin declares.
        source: the digest of its source; None if the source cannot be read.
    """

    kind: str
    name: str
    label: str | None = None
    distribution: str | None = None
    version: str | None = None
    revision: int | None = None
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class PluginChange:
    """A plugin whose installed source differs from the one that a journal records.

    Attributes:
        kind, name: as in `PluginSource`.
        recorded: the digest in the journal.
        installed: the digest of the installed plugin.
    """

    kind: str
    name: str
    recorded: str | None = None
    installed: str | None = None


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine that computes a job. Unknown fields are None.

    Attributes:
        device: the device as torch names it, such as "cuda:0".
        device_name: the name of the accelerator or the processor.
        platform: the operating system.
        python: the version of Python.
        threads: the number of CPU threads.
        cudnn, driver: the version of cuDNN, and the version of CUDA that the driver supports; None on a CPU.
        float32_precision: the precision of matrix products on CUDA; None on a CPU.
    """

    device: str | None = None
    device_name: str | None = None
    platform: str | None = None
    python: str | None = None
    threads: int | None = None
    cudnn: str | None = None
    driver: str | None = None
    float32_precision: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether a process reported this environment."""
        return self.device is not None


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line. It identifies the job and describes the software and the machine with which it began.

    Attributes:
        schema: the schema of the journal.
        suite: the name of the suite.
        key: the hash of condition, trial, plugin revisions and protocol revision.
        condition: the condition, as `Condition.describe` returns it.
        trial: the number of the trial; 0 for a cost cell.
        start: the indices of the start set.
        provenance: name, size and SHA-256 of the data set; None for a cost cell or if loading the data failed.
        fresh: whether `run --fresh` began the journal, which then counts instead of a published record.
        plugins: the plugins that computed the job; None in journals of early versions.
        versions: the version of each distribution.
        environment: the environment in which the job began.
    """

    kind: Literal["header"] = "header"
    schema: int
    suite: str
    key: str
    condition: dict[str, Any]
    trial: Count
    start: list[Count]
    provenance: dict[str, Any] | None = None
    fresh: bool = False
    plugins: list[PluginSource] | None = None
    versions: dict[str, str] | None = None
    environment: Environment | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A process starts or continues the job. The line contains the environment that the process reports."""

    kind: Literal["attempt"] = "attempt"
    time: str | None = None
    device: str | None = None
    device_name: str | None = None
    platform: str | None = None
    python: str | None = None
    threads: int | None = None
    cudnn: str | None = None
    driver: str | None = None
    float32_precision: str | None = None

    @classmethod
    def begun(cls, environment: Environment) -> "Attempt":
        """Return an attempt that begins now."""
        return cls(time=now(), **asdict(environment))

    @property
    def environment(self) -> Environment:
        """The environment in which the job is computed."""
        return Environment(**{each.name: getattr(self, each.name) for each in fields(Environment)})


@dataclass(frozen=True, kw_only=True)
class Round:
    """A round of a trial: the model was trained and evaluated, and a batch was acquired unless the budget was reached.

    Attributes:
        round: the number of the round, from 0.
        labels: the size of the labelled set that the accuracy was measured with.
        accuracy: the test accuracy, as a fraction.
        nll: the test negative log-likelihood, in nats; None if it is infinite.
        epochs, best_epoch: the number of epochs of training, and the epoch whose weights were kept, counted from 1;
            None for models without epochs and in journals of early versions.
        acquired: the indices of the acquired batch; empty in the last round.
        scores: the score of each acquired point, in the same order; empty in journals of early versions.
        seconds: the seconds of each phase; None for a phase that was not measured.
        peak_bytes: the peak memory of the round; None if it cannot be measured.
        warnings: warnings for readers of the results.
    """

    kind: Literal["round"] = "round"
    round: Count
    labels: Positive
    accuracy: Annotated[float, Field(ge=0, le=1)]
    nll: Finite | None
    epochs: Positive | None = None
    best_epoch: Positive | None = None
    acquired: list[Count]
    scores: list[Finite] = field(default_factory=list)
    seconds: dict[str, Seconds | None]
    peak_bytes: Count | None
    warnings: Annotated[list[str], Field(max_length=100)] = field(default_factory=list)

    @property
    def total_seconds(self) -> float:
        """The sum of the seconds of all phases."""
        return sum(value or 0.0 for value in self.seconds.values())


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The measurement of a cost cell.

    Attributes:
        batch_size, pool_size, posterior_samples, num_classes: B, N, K and C.
        source: the label of the source of the log-probs.
        status: how the measurement ended.
        seconds: the seconds of one selection each.
        peak_bytes: the growth of peak memory during one selection; None if it was not measured.
        acquired: the positions that the first selection chose, in order; None if it did not return, and in journals of
            early versions.
        predict_seconds: the seconds of one prediction of the pool each; empty unless a model computed the log-probs.
        error: why the measurement ended with this status; None if it is done.
    """

    kind: Literal["cost"] = "cost"
    batch_size: Positive
    pool_size: Positive
    posterior_samples: Positive
    num_classes: Positive
    source: str
    status: Ending
    seconds: list[Seconds]
    peak_bytes: Count | None
    acquired: list[Count] | None = None
    predict_seconds: list[Seconds] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Interrupt:
    """The user, or the loss of a machine, stopped the attempt. It does not count as a death."""

    kind: Literal["interrupt"] = "interrupt"
    time: str | None = None


@dataclass(frozen=True, kw_only=True)
class Retry:
    """`run --retry` reopened the job after its end."""

    kind: Literal["retry"] = "retry"
    time: str | None = None


@dataclass(frozen=True, kw_only=True)
class End:
    """The job ended.

    Attributes:
        status: how it ended.
        error: why it ended with this status; None if it is done.
        traceback: the traceback of a plugin that failed.
    """

    kind: Literal["end"] = "end"
    status: Ending
    error: str | None = None
    time: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stale:
    """The plugins whose installed source differs, after an end. An empty list withdraws an earlier stale line."""

    kind: Literal["stale"] = "stale"
    time: str | None = None
    plugins: list[PluginChange]


Line = Header | Attempt | Round | Cost | Interrupt | Retry | End | Stale
Measurement = Round | Cost
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])
_UNKNOWN_KIND = {"union_tag_invalid", "union_tag_not_found"}
# Keys that are written only if they have a value. The other keys of a kind are always written, even if null.
_ONLY_WITH_A_VALUE: dict[str, set[str]] = {
    "header": {"fresh"},
    "attempt": {each.name for each in fields(Environment)},
    "round": {"warnings"},
    "cost": {"acquired"},
    "end": {"traceback"},
}
_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)


def parse(text: bytes) -> Line | None:
    """Parse a line of a journal, without its newline. Return None if its kind is unknown to this version.

    Raises:
        LineError: if it is not JSON, or not a valid line of its kind.
    """
    try:
        line = _LINE.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        if first["type"] in _UNKNOWN_KIND:
            return None
        if first["loc"][:1] == ("header",):
            _require_schema(from_json(text).get("schema", SCHEMA))  # another schema explains the other errors
        raise LineError(_why(error)) from error
    if isinstance(line, Header):
        _require_schema(line.schema)
    return line


def parse_json(value: dict[str, Any]) -> Line | None:
    """Parse a line from a JSON object that `as_json` returned; see `parse`."""
    return parse(_ENCODER.encode(value).encode())


def encode(line: Line) -> bytes:
    """Return a line as JSON in UTF-8, with its newline. Lone surrogates, which UTF-8 cannot encode, become `?`.

    Raises:
        ValueError: if a number is not finite.
    """
    return _ENCODER.encode(as_json(line)).encode(errors="replace") + b"\n"


def as_json(line: Line) -> dict[str, Any]:
    """Return a line as a JSON object."""
    optional = _ONLY_WITH_A_VALUE.get(line.kind, set())
    found = {
        name: value for name, value in asdict(line).items() if name not in optional or value not in (None, False, [])
    }
    if isinstance(line, Header) and line.environment is not None:
        found["environment"] = {name: value for name, value in found["environment"].items() if value is not None}
    return found


def now() -> str:
    """Return the current time in UTC, to the second, as lines record it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _require_schema(schema: object) -> None:
    if schema != SCHEMA or isinstance(schema, bool):
        raise LineError(
            f" is written with schema {shown(schema)}; this version reads schema {SCHEMA}. Update softal-bench"
        )


def _why(error: ValidationError) -> str:
    """Return what is wrong with a line, as text that follows the words `line 3`."""
    errors = error.errors()
    first = errors[0]
    if first["type"] == "json_invalid":
        return " is not JSON"
    kind, *where = first["loc"] or ("",)
    if not where:
        return " is not a JSON object"
    missing = sorted(str(one["loc"][1]) for one in errors if one["type"] == "missing" and len(one["loc"]) == 2)
    if missing:
        return f" ({kind}) lacks {', '.join(missing)}"
    if first["type"] == "literal_error":
        known = ", ".join(get_args(Ending))
        return f" ({kind}): unknown {where[-1]} {shown(first['input'])}; known: {known}"
    path = ".".join(part if isinstance(part, str) and len(part) < 100 else shown(part) for part in where)
    return f" ({kind}): {path}: {first['msg']}, got {shown(first['input'])}"
