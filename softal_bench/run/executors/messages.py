"""The messages between the runner and a worker process. This module does not import torch, so that a relay starts fast.

A request and its answers cross the connection as JSON, so that nothing that a worker sends is unpickled. A worker
answers a request with `Originated` and `Ready`, with `Computed` for each round, and with one `Last` message. It sends
`Deadline` whenever the deadline of its current call changes.
"""

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class WorkerSetting:
    """What a worker process is given when it starts.

    Attributes:
        data_root: the folder of data.
        device: where to compute.
        limits: the values of `TrialLimits`, by name.
        fetch: whether the worker downloads data that are missing where it runs.
        threads: the most CPU threads that a trial has.
    """

    data_root: str
    device: str
    limits: dict[str, float | None]
    fetch: bool
    threads: int


@dataclass(frozen=True)
class Request:
    """A trial to compute.

    Attributes:
        condition: its specification, as in a suite file.
        trial: its number.
        key: its key where the runner is; the worker's plugins must give the same.
        done: the lines of the rounds that are done.
    """

    condition: dict[str, Any]
    trial: int
    key: str
    done: list[dict[str, Any]]

    def to_json(self) -> bytes:
        """Return the request as a JSON object."""
        return json.dumps(vars(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Request":
        """Read what `to_json` returned."""
        return cls(**json.loads(data))


@dataclass(frozen=True)
class Message:
    """A message from a worker: in JSON a list of its kind and the values of its fields."""

    kind: ClassVar[str]

    def to_json(self) -> bytes:
        """Return the message as a JSON list."""
        return json.dumps([self.kind, *(getattr(self, field.name) for field in fields(self))]).encode()

    @staticmethod
    def from_json(data: bytes) -> "Message":
        """Read what `to_json` returned. Raises ValueError for anything else."""
        try:
            kind, *values = json.loads(data)
            return _MESSAGES[kind](*values)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"not a message: {data[:100]!r}") from error


class Last(Message):
    """A message after which no other one follows."""


@dataclass(frozen=True)
class Originated(Message):
    """The plugins, versions and environment with which the trial is computed."""

    kind = "origin"
    origin: dict[str, Any]


@dataclass(frozen=True)
class Ready(Message):
    """The trial's data are loaded: the indices of its start set, and where its data come from."""

    kind = "ready"
    start: list[int]
    provenance: dict[str, Any] | None


@dataclass(frozen=True)
class Computed(Message):
    """A round is done: its journal line."""

    kind = "line"
    line: dict[str, Any]


@dataclass(frozen=True)
class Deadline(Message):
    """The current call has this many seconds left, and the text explains its limit; None if it has no limit."""

    kind = "within"
    seconds: float | None
    text: str


@dataclass(frozen=True)
class Done(Last):
    """The trial is done."""

    kind = "done"


@dataclass(frozen=True)
class Failed(Last):
    """The trial ended with another status than done."""

    kind = "ended"
    status: str
    text: str
    details: str | None
    worker_is_lost: bool = False  # its device is of no use any more


@dataclass(frozen=True)
class Unreadable(Last):
    """The trial cannot have written its journal."""

    kind = "unreadable"
    text: str


@dataclass(frozen=True)
class Refused(Last):
    """The worker cannot compute the run's trials."""

    kind = "refused"
    text: str


@dataclass(frozen=True)
class Raised(Last):
    """The harness raised an error in the worker."""

    kind = "raised"
    traceback: str


@dataclass(frozen=True)
class Death(Last):
    """The worker died, as whoever supervises it reports; `lost` as in `Died`."""

    kind = "died"
    how: str
    lost: bool


_MESSAGES: dict[str, type[Message]] = {
    message.kind: message
    for message in (Originated, Ready, Computed, Deadline, Done, Failed, Unreadable, Refused, Raised, Death)
}
