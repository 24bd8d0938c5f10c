"""What a connection was sent is read in pieces, in its order, when there is room for its calls."""

import pytest

from promptd.protocol.calls import Call, Refusal
from promptd.protocol.jsonrpc import JsonRpcCodec
from promptd.server.inbox import FULL_BYTES, PIECE_BYTES, SMALL_BYTES, Inbox
from tests.server.fakes import line_of


def ids(inbox: Inbox) -> list[bytes | None]:
    """The ids of the calls that were read so far."""
    return [event.id for event in inbox.calls if isinstance(event, Call)]


def test_a_little_is_read_at_once() -> None:
    """It need not wait for a turn."""
    inbox = Inbox(JsonRpcCodec())
    inbox.take_in(line_of(identity=1))
    assert ids(inbox) == [b"1"]
    assert not inbox.is_unread


def test_a_flood_is_read_as_far_as_there_is_room() -> None:
    """And in its order: nothing is lost, and nothing is read twice."""
    inbox = Inbox(JsonRpcCodec())
    data = b"".join(line_of(identity=number) for number in range(5_000))
    assert len(data) > FULL_BYTES
    inbox.take_in(data)
    assert inbox.is_full
    assert not inbox.calls
    inbox.look(1)
    assert 0 < len(inbox.calls) <= PIECE_BYTES // len(line_of(identity=0)) + 1
    read = []
    while inbox:
        inbox.look(1)
        read += ids(inbox)
        inbox.calls.clear()
    assert read == [b"%d" % number for number in range(5_000)]


@pytest.mark.parametrize("size", [1, SMALL_BYTES + 1, 3 * PIECE_BYTES])
def test_the_end_comes_after_all_else(size: int) -> None:
    """A line that is cut short is refused, behind the calls before it."""
    inbox = Inbox(JsonRpcCodec())
    inbox.take_in(line_of(identity=1) + b"{" * size)
    inbox.end()
    while inbox.is_unread:
        inbox.look(8)
    assert [type(event) for event in inbox.calls] == [Call, Refusal]
    inbox.clear()
    assert not inbox


def test_a_small_piece_waits_behind_a_large_one() -> None:
    """Whatever their sizes, bytes are read in the order in which they came."""
    inbox = Inbox(JsonRpcCodec())
    first = line_of(identity=1, text="x" * SMALL_BYTES)
    inbox.take_in(first)
    inbox.take_in(line_of(identity=2))
    assert not inbox.calls
    inbox.look(8)
    assert ids(inbox) == [b"1", b"2"]
