"""The lines of a journal: a type for each kind, the one validation of what is read, and the one encoding.

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

# No sound number reaches these bounds. They keep sums and roundings of a stranger's journal finite.
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
    NOT_TRIED = "not_tried"  # a cost cell that was skipped because a smaller batch was over a limit
    NOT_RUN = "not_run"
    ELSEWHERE = "elsewhere"  # a cost cell that was measured on another device than the others

    @property
    def words(self) -> str:
        """The status as pages and tables show it."""
        return _WORDS.get(self, self.value.replace("_", " "))


_WORDS = {Status.TIMEOUT: "timed out", Status.UNREADABLE: "not readable", Status.ELSEWHERE: "on another device"}
FAILURES = (Status.FAILED, Status.TIMEOUT, Status.OUT_OF_MEMORY)
OVER_A_LIMIT = (Status.TIMEOUT, Status.OUT_OF_MEMORY)
Ending = Literal[Status.DONE, Status.FAILED, Status.TIMEOUT, Status.OUT_OF_MEMORY]


class LineError(ValueError):
    """A line that cannot be part of a journal. The message continues `line 3`."""


@dataclass(frozen=True, kw_only=True)
class PluginSource:
    """A plugin that a job used.

    Attributes:
        kind: of the plugin, as in the registry.
        name: its entry point.
        label: its display name, with its parameters.
        distribution, version: where it comes from.
        revision: as the plugin declares it.
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
    """The machine that computes a job; fields are None where they are not known.

    Attributes:
        device: as torch names it, such as "cuda:0".
        device_name: of the accelerator or the processor.
        platform: the operating system.
        python: its version.
        threads: the number of CPU threads.
        cudnn, driver: the version of cuDNN, and that of CUDA which the driver supports; None on a CPU.
        float32_precision: of matrix products on CUDA; None on a CPU.
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
        """Whether a process reported it."""
        return self.device is not None


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line: which job this is, and what it was begun with.

    Attributes:
        schema: of the journal.
        suite: the name of the suite.
        key: the hash of condition, trial, plugin revisions and protocol revision.
        condition: as `Condition.describe` returns it.
        trial: its number; 0 for a cost cell.
        start: indices of the start set.
        provenance: name, size and SHA-256 of the data set; None for a cost cell and where loading the data failed.
        fresh: whether `run --fresh` began the journal, which then counts in place of a published record.
        plugins: the plugins that computed the job; None in journals of early versions.
        versions: distribution -> version.
        environment: where the job was begun.
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
    """A process takes up the job. The environment that it reports is part of the line."""

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
        """An attempt that begins now."""
        return cls(time=now(), **asdict(environment))

    @property
    def environment(self) -> Environment:
        """Where the job is computed."""
        return Environment(**{each.name: getattr(self, each.name) for each in fields(Environment)})


@dataclass(frozen=True, kw_only=True)
class Round:
    """A round of a trial: the model was trained and evaluated, and a batch was acquired unless the budget was reached.

    Attributes:
        round: its number, from 0.
        labels: the size of the labelled set that the accuracy was measured with.
        accuracy: test accuracy, a fraction.
        nll: test negative log-likelihood, in nats; None if it is infinite.
        epochs, best_epoch: the number of epochs that training ran, and the epoch whose weights were kept, from 1; None
            for models without epochs and in journals of early versions.
        acquired: indices of the acquired batch; empty in the last round.
        scores: the score of each acquired point, in the same order; empty in journals of early versions.
        seconds: by phase; None where a phase was not measured.
        peak_bytes: peak memory of the round; None where it cannot be measured.
        warnings: what a reader of the results should know.
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
        """Seconds of all phases."""
        return sum(value or 0.0 for value in self.seconds.values())


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The measurement of a cost cell.

    Attributes:
        batch_size, pool_size, posterior_samples, num_classes: B, N, K and C.
        source: the label of what made the log-probs.
        status: how the measurement ended.
        seconds: samples, of one selection each.
        peak_bytes: growth of peak memory during one selection; None where it was not measured.
        acquired: positions that the first selection chose, in its order; None if it did not return, and in journals of
            early versions.
        predict_seconds: samples, of predicting the pool once each; empty unless a model made the log-probs.
        error: why the measurement ended as it did.
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
    """The user, or the loss of a machine, stopped the attempt; it does not count as a death."""

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
        status: how.
        error: why, unless it is done.
        traceback: of a plugin that failed.
    """

    kind: Literal["end"] = "end"
    status: Ending
    error: str | None = None
    time: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stale:
    """After an end: the plugins whose installed source differs; an empty list withdraws an earlier stale line."""

    kind: Literal["stale"] = "stale"
    time: str | None = None
    plugins: list[PluginChange]


Line = Header | Attempt | Round | Cost | Interrupt | Retry | End | Stale
Measurement = Round | Cost
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])
_UNKNOWN_KIND = {"union_tag_invalid", "union_tag_not_found"}
# Keys that are written only where they have a value; the other keys of a kind are always written, null included.
_ONLY_WITH_A_VALUE: dict[str, set[str]] = {
    "header": {"fresh"},
    "attempt": {each.name for each in fields(Environment)},
    "round": {"warnings"},
    "cost": {"acquired"},
    "end": {"traceback"},
}
_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)


def parse(text: bytes) -> Line | None:
    """Return a line of a journal, without its newline; None if its kind is unknown to this version.

    Raises:
        LineError: if it is not JSON, or not a line that this kind can have.
    """
    try:
        line = _LINE.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        if first["type"] in _UNKNOWN_KIND:
            return None
        if first["loc"][:1] == ("header",):
            _require_schema(from_json(text).get("schema", SCHEMA))  # another schema explains what else is wrong
        raise LineError(_why(error)) from error
    if isinstance(line, Header):
        _require_schema(line.schema)
    return line


def parse_json(value: dict[str, Any]) -> Line | None:
    """Return the line of a JSON object, as `as_json` returns it; see `parse`."""
    return parse(_ENCODER.encode(value).encode())


def encode(line: Line) -> bytes:
    """Return a line as JSON in UTF-8, with its newline. Half characters, which UTF-8 cannot spell, become `?`.

    Raises:
        ValueError: if a number is not finite.
    """
    return _ENCODER.encode(as_json(line)).encode(errors="replace") + b"\n"


def as_json(line: Line) -> dict[str, Any]:
    """Return a line as the JSON object that is written."""
    optional = _ONLY_WITH_A_VALUE.get(line.kind, set())
    found = {
        name: value for name, value in asdict(line).items() if name not in optional or value not in (None, False, [])
    }
    if isinstance(line, Header) and line.environment is not None:
        found["environment"] = {name: value for name, value in found["environment"].items() if value is not None}
    return found


def now() -> str:
    """Return the time as lines give it: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _require_schema(schema: object) -> None:
    if schema != SCHEMA or isinstance(schema, bool):
        raise LineError(
            f" is written with schema {shown(schema)}; this version reads schema {SCHEMA}. Update softal-bench"
        )


def _why(error: ValidationError) -> str:
    """What is wrong with a line, to follow `line 3`."""
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
