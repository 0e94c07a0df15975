"""The messages between the runner and a worker process. This module does not import torch, so that a relay starts fast.

Requests and answers are sent as JSON, so that nothing that a worker sends is unpickled. A worker
answers a request with `Originated` and `Ready`, with `Computed` for each round, and with one `Last` message. It sends
`Deadline` whenever the deadline of its current call changes.
"""

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class WorkerSetting:
    """The settings that a worker process receives when it starts.

    Attributes:
        data_root: the folder of data.
        device: where to compute.
        limits: the values of `TrialLimits`, by name.
        fetch: whether the worker downloads data that are missing where it runs.
        threads: the largest number of CPU threads of any trial.
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
        trial: the number of the trial.
        key: the key that the runner computed; the worker must compute the same key with its plugins.
        done: the journal lines of the rounds that are done.
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
        """Read a request from the output of `to_json`."""
        return cls(**json.loads(data))


@dataclass(frozen=True)
class Message:
    """A message from a worker. In JSON it is a list of its kind and the values of its fields."""

    kind: ClassVar[str]

    def to_json(self) -> bytes:
        """Return the message as a JSON list."""
        return json.dumps([self.kind, *(getattr(self, field.name) for field in fields(self))]).encode()

    @staticmethod
    def from_json(data: bytes) -> "Message":
        """Read a message from the output of `to_json`. Raise ValueError for anything else."""
        try:
            kind, *values = json.loads(data)
            return _MESSAGES[kind](*values)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"not a message: {data[:100]!r}") from error


class Last(Message):
    """The last message about a trial."""


@dataclass(frozen=True)
class Originated(Message):
    """The plugins, versions and environment with which the trial is computed."""

    kind = "origin"
    origin: dict[str, Any]


@dataclass(frozen=True)
class Ready(Message):
    """The trial's data are loaded. The message holds the indices of its start set and the provenance of its data."""

    kind = "ready"
    start: list[int]
    provenance: dict[str, Any] | None


@dataclass(frozen=True)
class Computed(Message):
    """A round is done. The message holds its journal line."""

    kind = "line"
    line: dict[str, Any]


@dataclass(frozen=True)
class Deadline(Message):
    """The current call has this many seconds left, or no limit if None. The text explains the limit."""

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
    worker_is_lost: bool = False  # whether its device has become unusable


@dataclass(frozen=True)
class Unreadable(Last):
    """The trial cannot have computed the rounds that the request lists as done."""

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
    """The worker died. Its supervisor reports this; `lost` has the meaning of `Died.lost`."""

    kind = "died"
    how: str
    lost: bool


_MESSAGES: dict[str, type[Message]] = {
    message.kind: message
    for message in (Originated, Ready, Computed, Deadline, Done, Failed, Unreadable, Refused, Raised, Death)
}
