"""Messages cross the connection as JSON; anything else is rejected."""

import pytest

from softal_bench.run.executors.messages import (
    Computed,
    Deadline,
    Death,
    Done,
    Failed,
    Last,
    Message,
    Originated,
    Raised,
    Ready,
    Refused,
    Request,
    Unreadable,
)

MESSAGES = [
    Originated({"versions": {"torch": "2"}}),
    Ready([3, 1], None),
    Computed({"kind": "round", "nll": 0.5}),
    Deadline(None, ""),
    Done(),
    Failed("timeout", "too long", None),
    Unreadable("a line"),
    Refused("no device"),
    Raised("Traceback"),
    Death("killed", True),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: str(message.kind))
def test_a_message_is_read_back_unchanged(message: Message) -> None:
    assert Message.from_json(message.to_json()) == message


def test_the_json_of_a_message_is_a_list_that_begins_with_its_kind() -> None:
    assert Failed("timeout", "too long", None).to_json() == b'["ended", "timeout", "too long", null, false]'


def test_a_request_is_read_back_unchanged() -> None:
    request = Request({"batch_size": 5}, 2, "key", [{"round": 0}])
    assert Request.from_json(request.to_json()) == request


def test_no_message_follows_one_that_ends_a_trial() -> None:
    assert [message.kind for message in MESSAGES if isinstance(message, Last)] == [
        "done",
        "ended",
        "unreadable",
        "refused",
        "raised",
        "died",
    ]


@pytest.mark.parametrize("data", [b"", b"{", b"3", b"[]", b'["lost"]', b'["done", 1]', b'[["done"]]', b"\xff"])
def test_invalid_data_is_not_a_message(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        Message.from_json(data)
