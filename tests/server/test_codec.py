"""The seam between a connection and what is spoken on it: another codec runs through the real listener.

What every Codec must do is asked of both, JSON-RPC's and the length-prefixed one of framed.py.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.errors import Busy
from promptd.protocol.calls import Call, Event, Refusal
from promptd.protocol.jsonrpc import JsonRpcCodec
from promptd.protocol.peers import Codec, CodecFactory
from promptd.server.peer import Limits
from tests.conftest import Until
from tests.server.conftest import Dial, ManualClock, Serve
from tests.server.fakes import EchoHandler, Table, line_of
from tests.server.framed import FramedCodec, frame, frames_of, request

CODECS: dict[str, tuple[CodecFactory, Callable[[int], bytes]]] = {
    "json-rpc": (JsonRpcCodec, lambda number: line_of(identity=number, n=number)),
    "framed": (FramedCodec, lambda number: request(number, "echo", b'{"n":%d}' % number)),
}


@pytest.fixture
def handler() -> EchoHandler:
    """The handler behind the listener."""
    return EchoHandler()


# -- what every codec must do -------------------------------------------------------------------


def summary(events: list[Event]) -> list[tuple[Any, ...]]:
    """Events as plain values, so that two lists of them can be compared."""
    return [
        (event.id, type(event.error))
        if isinstance(event, Refusal)
        else (event.id, event.method, event.params)
        for event in events
    ]


@pytest.mark.parametrize("name", CODECS)
@given(st.lists(st.integers(1, 255), max_size=5), st.binary(max_size=20), st.data())
def test_chunks_make_no_difference(name: str, numbers: list[int], tail: bytes, data: st.DataObject) -> None:
    """The same bytes are the same events and frames however they are cut, garbage at the end included."""
    new_codec, request_of = CODECS[name]
    sent = b"".join(map(request_of, numbers)) + tail
    whole, cut = new_codec(), new_codec()
    expected = summary(whole.feed(sent) + whole.end())
    places = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    events = [
        event
        for start, end in zip([0, *places], [*places, len(sent)], strict=True)
        for event in cut.feed(sent[start:end])
    ]
    assert summary(events + cut.end()) == expected
    assert cut.frames == whole.frames


@pytest.mark.parametrize("name", CODECS)
def test_progress_can_be_seen(name: str) -> None:
    """After its first byte a peer is in the middle of a frame or has completed one; at the end it is not."""
    new_codec, request_of = CODECS[name]
    codec: Codec = new_codec()
    assert (codec.frames, codec.is_mid_frame) == (0, False)
    codec.feed(request_of(1)[:1])
    assert (codec.frames, codec.is_mid_frame) == (0, True)
    codec.feed(request_of(1)[1:])
    assert (codec.frames, codec.is_mid_frame) == (1, False)
    codec.feed(request_of(1)[:1])
    assert isinstance(codec.end()[0], Refusal)
    assert not codec.is_mid_frame


@pytest.mark.parametrize("name", CODECS)
def test_replies_can_be_made_for_everything(name: str) -> None:
    """A call, a refused frame, and nothing at all: none of them raises."""
    codec: Codec = CODECS[name][0]()
    call, error = Call(b"7", "echo"), Busy("not now")
    assert b'{"n":1}' in b"".join(codec.result(call, b'{"n":1}'))
    for event in (call, Refusal(b"7", error), None):
        assert b"promptd.Busy" in codec.error(event, error)


# -- the length-prefixed one over real sockets --------------------------------------------------


async def test_another_format_is_served(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler
) -> None:
    """Pipelined requests in odd chunks, an error, a refused frame, a large reply; half-closed at the end."""
    listener = await serve(handler, socket_path, new_codec=FramedCodec)
    peer = await dial(socket_path)
    sent = (
        request(1, "echo", b"1") + request(2, "busy") + frame(b"x") + request(3, "large", b'{"size":70000}')
    )
    for start in range(0, len(sent), 7):
        peer.say(sent[start : start + 7])
        await asyncio.sleep(0)
    peer.writer.write_eof()
    one, busy, refused, large = frames_of(await peer.rest())
    assert (one, busy) == (b"+\x011", b"-\x02promptd.Busy")
    assert refused == b"-xpromptd.InvalidRequest"
    assert len(large) == 2 + 70_000
    assert listener.statistics().requests == 4


async def test_its_frames_are_limited_and_timed(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, clock: ManualClock, until: Until
) -> None:
    """Half a frame is awaited as long as half a line; a cut one is refused; a refused client reads why."""
    limits = Limits(sweep_s=3600, max_connections_per_uid=2)
    listener = await serve(handler, socket_path, limits, new_codec=FramedCodec, clock=clock)
    slow, cut = await dial(socket_path), await dial(socket_path)
    slow.say(request(1, "echo")[:3])
    await until(lambda: listener.statistics().bytes_in == 3)
    assert frames_of(await (await dial(socket_path)).rest()) == [b"-\0promptd.Busy"]
    cut.say(b"\0")
    cut.writer.write_eof()
    assert frames_of(await cut.rest()) == [b"-\0promptd.MalformedFrame"]
    listener.sweep()
    clock.now_s += 10.0
    listener.sweep()
    assert frames_of(await slow.rest()) == [b"-\0promptd.Busy"]


async def test_a_stop_drains_it(serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler) -> None:
    """A client in the middle of a frame may end it and is answered."""
    listener = await serve(handler, socket_path, new_codec=FramedCodec)
    peer = await dial(socket_path)
    peer.say(request(1, "echo") + request(2, "echo")[:4])
    assert await peer.reader.readexactly(8) == frame(b"+\x01{}")
    stopping = asyncio.create_task(listener.stop(5.0))
    peer.say(request(2, "echo")[4:])
    assert await peer.rest() == frame(b"+\x02{}")
    await stopping


def test_a_format_without_notifications_sends_none() -> None:
    """The subscriber learns nothing, and nothing breaks."""
    table = Table(EchoHandler(), new_codec=FramedCodec)
    table.connection.notify("changed", b"{}")
    table.loop.turn()
    assert table.transport.writes == []


async def test_two_formats_side_by_side(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler
) -> None:
    """One handler behind two listeners, each with its own codec."""
    other_path = f"{socket_path}.framed"
    await serve(handler, socket_path)
    await serve(handler, other_path, new_codec=FramedCodec)
    lines, frames = await dial(socket_path), await dial(other_path)
    assert (await lines.ask(line_of(n=1)))["result"] == {"n": 1}
    frames.say(request(9, "echo", b'{"n":2}'))
    with contextlib.closing(frames.writer):
        assert json.loads((await frames.reader.readexactly(13))[6:]) == {"n": 2}
