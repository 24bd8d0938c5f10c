"""One connection, its transport and loop played by hand: calls in, frames out, limits kept."""

import asyncio
import json
from typing import Any, cast

import pytest

from promptd.errors import Internal
from promptd.protocol.calls import Call
from promptd.server.connection import Connection
from promptd.server.peer import Limits
from tests.server.fakes import (
    EchoHandler,
    RecordingTransport,
    Table,
    line_of,
)

# -- answering ----------------------------------------------------------------------------------


def test_calls_of_one_chunk_are_one_batch_and_one_write() -> None:
    """Three requests, one turn of the handler, one write of three lines in order."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(line_of(n=1) + line_of(identity="b", n=2) + line_of("busy", 3))
    table.loop.turn()
    assert [len(batch) for batch in handler.batches] == [3]
    assert len(table.transport.writes) == 1
    first, second, third = table.transport.replies
    assert first == {"jsonrpc": "2.0", "id": 1, "result": {"n": 1}}
    assert second["id"] == "b"
    assert third["error"]["data"] == {"type": "promptd.Busy", "limit": "patience"}


def test_calls_of_several_peers_share_a_batch() -> None:
    """Whatever arrived in one turn of the loop is answered together, each peer by one write."""
    table = Table(handler := EchoHandler())
    other, its_transport = table.connect()
    table.connection.data_received(line_of(n=1))
    other.data_received(line_of(n=2) * 2)
    table.loop.turn()
    assert [len(batch) for batch in handler.batches] == [3]
    assert len(table.transport.writes) == len(its_transport.writes) == 1


def test_a_refused_line_is_answered_without_the_handler() -> None:
    """The error goes out, the next request works, both are counted."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(b"[]\n" + line_of())
    table.loop.turn()
    assert [reply.get("error", {}).get("code") for reply in table.transport.replies] == [-32600, None]
    assert len(handler.batches[0]) == 1
    assert (table.counts.requests, table.counts.errors) == (2, 1)


def test_a_notification_is_executed_and_not_answered() -> None:
    """It is handed over like a call and nothing is sent, not even its error."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(b'{"jsonrpc":"2.0","method":"echo"}\n{"jsonrpc":"2.0","method":"busy"}\n')
    table.loop.turn()
    assert len(handler.batches[0]) == 2
    assert table.transport.writes == []
    assert table.connection.in_flight == 0


def test_an_answer_may_come_later() -> None:
    """Out of the turn it came in, an answer is written in the next turn of the loop."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(line_of("hold", n=5))
    table.loop.turn()
    assert (table.transport.writes, table.connection.in_flight) == ([], 1)
    handler.release()
    table.loop.turn()
    assert table.transport.replies[0]["result"] == {"n": 5}
    assert table.connection.in_flight == 0


def test_a_call_is_answered_once() -> None:
    """A second answer is a bug of the handler and says so; nothing is sent twice."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(line_of())
    table.loop.turn()
    peer, call = handler.batches[0][0]
    with pytest.raises(RuntimeError, match="'echo' was answered twice"):
        peer.answer(call, b"{}")
    with pytest.raises(RuntimeError):
        peer.fail(call, Internal("x"))
    table.loop.turn()
    assert len(table.transport.replies) == 1


def test_a_crash_of_the_handler_costs_its_batch_an_error() -> None:
    """Unanswered calls of the batch get `internal`, the loop's error handler is called, later calls work."""
    table = Table(EchoHandler())
    table.connection.data_received(line_of(identity=1) + line_of("crash", 2) + line_of(identity=3))
    table.loop.turn()
    assert [reply.get("error", {}).get("code") for reply in table.transport.replies] == [None, -32603, -32603]
    assert isinstance(table.loop.reports[0]["exception"], LookupError)
    table.connection.data_received(line_of(identity=4))
    table.loop.turn()
    assert table.transport.replies[-1]["id"] == 4


@pytest.mark.parametrize("size", [100, 32_769, 100_000])
def test_bodies_of_any_size_are_spliced_whole(size: int) -> None:
    """Small bodies are copied into their frame and large ones handed on; the bytes are the same."""
    table = Table(EchoHandler())
    table.connection.data_received(line_of("large", size=size) * 2)
    table.loop.turn()
    assert [len(reply["result"]) for reply in table.transport.replies] == [size - 2] * 2


def test_a_reply_over_the_limit_is_an_error() -> None:
    """Too large a body is answered with PromptTooLarge and both sizes."""
    table = Table(EchoHandler(), Limits(max_reply_bytes=1000))
    table.connection.data_received(line_of("large", size=1000))
    table.loop.turn()
    error = table.transport.replies[0]["error"]
    assert error["data"] == {"type": "promptd.PromptTooLarge", "reply_bytes": 1000, "max_reply_bytes": 1000}


def test_a_notification_to_the_peer_is_one_frame() -> None:
    """A notification carries method and params, in the next turn."""
    table = Table(EchoHandler())
    table.connection.notify("changed", b'{"digest":"d"}')
    table.loop.turn()
    assert table.transport.replies == [{"jsonrpc": "2.0", "method": "changed", "params": {"digest": "d"}}]


def test_all_bytes_are_counted() -> None:
    """Bytes in and out are those of the socket."""
    table = Table(EchoHandler())
    table.connection.data_received(line_of())
    table.loop.turn()
    assert table.counts.bytes_in == len(line_of())
    assert table.counts.bytes_out == sum(map(len, table.transport.writes))


# -- back-pressure ------------------------------------------------------------------------------


def test_reading_stops_with_the_calls_in_flight() -> None:
    """At the limit nothing more is read; below it reading goes on and what waited is handed over."""
    table = Table(handler := EchoHandler(), Limits(max_in_flight=2))
    table.connection.data_received(line_of("hold") * 3)
    table.loop.turn()
    assert (table.connection.in_flight, table.transport.is_reading) == (2, False)
    handler.release()
    table.loop.turn()
    assert (table.connection.in_flight, table.transport.is_reading) == (1, True)
    assert table.counts.paused == 1


def test_one_peer_gets_so_many_calls_a_turn() -> None:
    """A pipelining peer is served in portions, turn by turn, until it has all in flight it may have."""
    table = Table(handler := EchoHandler(), Limits(max_in_flight=5, max_calls_a_turn=2))
    table.connection.data_received(line_of("hold") * 7)
    for _ in range(5):
        table.loop.turn()
    assert [len(batch) for batch in handler.batches] == [2, 2, 1]
    assert table.connection.in_flight == 5


def test_a_peer_that_does_not_read_is_asked_nothing_more() -> None:
    """While its buffer is over the mark nothing is read and nothing of its backlog is begun."""
    table = Table(handler := EchoHandler())
    table.connection.pause_writing()
    assert not table.transport.is_reading
    table.connection.data_received(line_of())
    table.loop.turn()
    assert handler.batches == []
    table.connection.resume_writing()
    table.loop.turn()
    assert table.transport.is_reading
    assert len(table.transport.replies) == 1


def test_notifications_do_not_pile_up_for_ever() -> None:
    """A subscriber that never reads is cut off when a whole reply's worth is waiting for it."""
    table = Table(EchoHandler(), Limits(max_reply_bytes=1000))
    table.connection.pause_writing()
    table.transport.unsent_bytes = 1000
    table.connection.notify("changed", b"{}")
    assert not table.transport.is_aborted
    table.transport.unsent_bytes = 1001
    table.connection.notify("changed", b"{}")
    assert table.transport.is_aborted
    assert (table.connection.is_closed, table.counts.stalled) == (True, 1)


# -- time ---------------------------------------------------------------------------------------


def timeouts_sent(table: Table) -> list[Any]:
    """Which limits the peer was sent."""
    table.loop.turn()
    return [reply["error"]["data"]["limit"] for reply in table.transport.replies if "error" in reply]


def test_the_first_byte_is_awaited_so_long() -> None:
    """A silent peer is sent the reason, once, and closed."""
    table = Table(EchoHandler(), now_s=100.0)
    table.connection.sweep(104.9)
    assert timeouts_sent(table) == []
    table.connection.sweep(105.0)
    table.connection.sweep(111.0)
    assert timeouts_sent(table) == ["first_byte_timeout"]
    assert (table.transport.is_closed, table.counts.timed_out) == (True, 1)


def test_a_peer_may_be_idle_between_requests() -> None:
    """After a first request there is no time limit on silence."""
    table = Table(EchoHandler())
    table.connection.data_received(line_of())
    for now_s in (1.0, 10.0, 1000.0, 100_000.0):
        table.connection.sweep(now_s)
    assert timeouts_sent(table) == []
    assert not table.transport.is_closed


def test_half_a_line_is_awaited_so_long() -> None:
    """Single bytes do not renew the time; finishing the line does."""
    table = Table(EchoHandler())
    table.connection.data_received(line_of()[:5])
    table.connection.sweep(1.0)
    table.connection.data_received(line_of()[5:6])
    table.connection.sweep(10.9)
    assert timeouts_sent(table) == []
    table.connection.data_received(line_of()[6:] + b"{")
    table.connection.sweep(11.0)
    table.connection.data_received(b" ")
    table.connection.sweep(20.9)
    assert timeouts_sent(table) == []
    table.connection.sweep(21.0)
    assert timeouts_sent(table) == ["request_timeout"]


def test_a_slow_line_does_not_cost_the_calls_before_it() -> None:
    """What is in flight when the time is up is still answered, then the connection closes."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(line_of("hold", n=1) + b"{")
    table.connection.sweep(0.0)
    table.connection.sweep(10.0)
    assert timeouts_sent(table) == ["request_timeout"]
    assert not table.transport.is_closed
    handler.release()
    table.loop.turn()
    assert table.transport.replies[-1]["result"] == {"n": 1}
    assert table.transport.is_closed


def test_a_stalled_reader_is_cut_off() -> None:
    """Over the mark and no byte moving for 10 s: aborted. Any progress renews the time."""
    table = Table(EchoHandler())
    table.connection.data_received(line_of("large", size=5000))
    table.loop.turn()
    table.connection.pause_writing()
    table.transport.unsent_bytes = 4000
    table.connection.sweep(1.0)
    table.transport.unsent_bytes = 3999
    table.connection.sweep(10.0)
    table.connection.sweep(19.9)
    assert not table.transport.is_aborted
    table.connection.sweep(20.0)
    assert table.transport.is_aborted
    assert (table.counts.stalled, table.counts.timed_out) == (1, 0)


def test_a_peer_that_never_takes_its_last_bytes_is_cut_off() -> None:
    """A closing connection is swept too: closing waits for a reader only so long."""
    table = Table(EchoHandler())
    table.connection.data_received(line_of())
    table.loop.turn()
    table.connection.close()
    table.transport.unsent_bytes = 10
    table.connection.sweep(1.0)
    table.connection.sweep(11.0)
    assert table.transport.is_aborted


# -- life ---------------------------------------------------------------------------------------


def test_finishing_answers_what_was_received() -> None:
    """Nothing more is read, calls in flight and in the backlog are answered, then the socket closes."""
    table = Table(handler := EchoHandler(), Limits(max_in_flight=1))
    table.connection.data_received(line_of("hold", n=1) + line_of("hold", n=2))
    table.loop.turn()
    table.connection.finish()
    assert not table.transport.is_reading
    for _ in range(2):
        assert not table.transport.is_closed
        handler.release()
        table.loop.turn()
        table.loop.turn()
    assert [reply["result"]["n"] for reply in table.transport.replies] == [1, 2]
    assert table.transport.is_closed


def test_finishing_an_idle_connection_closes_it() -> None:
    """Nothing under way: closed in the next turn."""
    table = Table(EchoHandler())
    table.connection.finish()
    table.loop.turn()
    assert table.transport.is_closed


@pytest.mark.parametrize("begun", [b"", line_of(n=1)[:9]])
def test_draining_waits_for_the_line_that_is_being_sent(begun: bytes) -> None:
    """Before the first byte or in the middle of a line, the peer may end it and is answered; then the end."""
    table = Table(EchoHandler())
    if begun:
        table.connection.data_received(begun)
    table.connection.drain()
    table.loop.turn()
    assert table.transport.is_reading
    table.connection.data_received(line_of(n=1)[len(begun) : -1])
    table.connection.data_received(b"\n")
    table.loop.turn()
    table.loop.turn()
    assert [reply["result"]["n"] for reply in table.transport.replies] == [1]
    assert table.transport.is_closed


def test_draining_an_idle_connection_closes_it() -> None:
    """A peer that is idle between requests is not waited for."""
    table = Table(EchoHandler())
    table.connection.data_received(line_of(n=1))
    table.loop.turn()
    table.connection.drain()
    table.loop.turn()
    assert table.transport.is_closed


def test_a_half_closed_peer_gets_its_answers() -> None:
    """The end of input is the end of requests, not of replies; a cut line is refused."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(line_of("hold", n=1) + b'{"jsonrpc"')
    assert table.connection.eof_received()
    table.loop.turn()
    assert not table.transport.is_closed
    handler.release()
    table.loop.turn()
    assert [reply.get("error", {}).get("code") for reply in table.transport.replies] == [-32700, None]
    assert table.transport.is_closed


def test_notifications_are_finished_too() -> None:
    """A finishing connection also waits for a notification under way, which is not answered."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(b'{"jsonrpc":"2.0","method":"hold"}\n')
    table.loop.turn()
    table.connection.finish()
    table.loop.turn()
    assert not table.transport.is_closed
    handler.release()
    table.loop.turn()
    assert (table.transport.is_closed, table.transport.writes) == (True, [])


def test_answering_a_lost_peer_does_nothing() -> None:
    """The call counts as answered; nothing is written to a socket that is gone."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(line_of("hold"))
    table.loop.turn()
    table.connection.connection_lost(None)
    assert table.lost == [table.connection]
    handler.release()
    table.connection.notify("changed", b"{}")
    table.loop.turn()
    assert (table.transport.writes, table.connection.in_flight) == ([], 0)


def test_closing_sends_what_was_answered_in_this_turn() -> None:
    """Only whole frames, but all of them."""
    table = Table(handler := EchoHandler())
    table.connection.data_received(line_of("hold", n=1))
    table.loop.turn()
    handler.release()
    table.connection.close()
    assert json.loads(table.transport.writes[0])["result"] == {"n": 1}
    assert table.transport.is_closed


def test_aborted_before_the_socket_was_ready() -> None:
    """A connection that is given up while it is being opened does not come to life."""
    table = Table(EchoHandler())
    for give_up in (Connection.abort, Connection.finish):
        connection = Connection(table.context, 1, 1, 0.0)
        give_up(connection)
        transport = RecordingTransport()
        connection.connection_made(cast(asyncio.BaseTransport, transport))
        assert transport.is_aborted or transport.is_closed


def test_a_connection_can_be_looked_at() -> None:
    """Its repr tells who and how much; so does that of the batching."""
    table = Table(EchoHandler())
    table.connection.data_received(line_of())
    assert repr(table.connection) == "<Connection pid 1234, 0 in flight, 1 waiting>"
    assert repr(table.batching) == "<Batching 1 ready, 0 dirty>"
    assert (table.connection.pid, table.connection.uid) == (1234, 1000)
    assert Call(b"1", "x") == Call(b"1", "x")
