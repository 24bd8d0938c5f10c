"""The client's side of the wire without a socket: requests out, answers and errors in."""

import errno
import json
from typing import Any

import pytest

from promptd import errors
from promptd.client.wire import (
    ErrorBody,
    decode_as,
    decode_line,
    encode_request,
    revive,
    unreachable,
)
from promptd.protocol.calls import Call
from promptd.protocol.jsonrpc import JsonRpcCodec
from promptd.protocol.replies import AssembleReply


def test_a_request_is_one_line_the_daemon_recognises() -> None:
    """Written as plainly as can be: the second one goes the daemon's fast way."""
    codec = JsonRpcCodec()
    first, second = codec.feed(
        encode_request(1, "get", {"name": "a"}) + encode_request(2, "get", {"name": "a"})
    )
    assert first == Call(b"1", "get", b'{"name":"a"}')
    assert isinstance(first, Call)
    assert isinstance(second, Call)
    assert second.params is first.params


@pytest.mark.parametrize("value", ["\ud800", object(), {1j: 2}])
def test_what_json_cannot_hold_is_the_callers(value: Any) -> None:
    """It is refused before anything is sent, as InvalidParams."""
    with pytest.raises(errors.InvalidParams, match="assemble"):
        encode_request(1, "assemble", {"name": value})


@pytest.mark.parametrize("leaf", errors.leaves())
def test_errors_come_back_as_they_were_raised(leaf: type[errors.PromptdError]) -> None:
    """Every leaf survives the wire with its message and details."""
    line = JsonRpcCodec().error(Call(b"1", "get"), leaf("what to do", name="x", nearest=["y"]))
    with pytest.raises(leaf) as caught:
        decode_line(line).body()
    assert type(caught.value) is leaf
    assert caught.value.message == "what to do"
    assert caught.value.details == {"name": "x", "nearest": ["y"]}


@pytest.mark.parametrize("data", [{}, {"type": "promptd.OfTheFuture", "a": 1}, {"type": 7}])
def test_an_unknown_error_is_still_ours(data: dict[str, Any]) -> None:
    """A newer daemon's error is a PromptdError that keeps all that was said."""
    error = revive(ErrorBody(-32099, "new", data))
    assert type(error) is errors.PromptdError
    assert error.details == {"code": -32099, **data}


@pytest.mark.parametrize("line", [b"HTTP/1.1 400 Bad Request", b"[]", b'{"id":{}}', b'{"error":3}', b"\xff"])
def test_something_else_is_talking(line: bytes) -> None:
    """Lines that are not promptd's are Unavailable."""
    with pytest.raises(errors.Unavailable, match="not promptd"):
        decode_line(line)


def test_an_answer_may_grow() -> None:
    """Members of the future are ignored, absent ones have defaults, and a missing one is said so."""
    known = {"tokens": 3, "digest": "d", "etag": "e", "clock": "c:1:2"}
    unchanged = decode_as(AssembleReply, json.dumps(known | {"unchanged": True, "future": 1}).encode())
    assert (unchanged.unchanged, unchanged.text, unchanged.manifest) == (True, "", ())
    with pytest.raises(errors.Unavailable, match="another version"):
        decode_as(AssembleReply, b"{}")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "promptd serve"),
        (errno.ECONNREFUSED, "promptd serve"),
        (errno.EACCES, "allow_uids"),
        (errno.ENFILE, "cannot connect"),
    ],
)
def test_a_failed_connect_says_what_to_do(number: int, words: str) -> None:
    """Each cause has its own advice, and the path."""
    error = unreachable("/s", OSError(number, "as the kernel says"))
    assert words in error.message
    assert error.details == {"socket": "/s"}
