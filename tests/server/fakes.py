"""Fakes of what serving stands on: a handler that echoes, a loop turned by hand, a transport that records.

Beside each stands a real one in test_listener.py, where the same behaviour is seen over sockets.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, cast

import msgspec

from promptd.errors import Busy
from promptd.protocol.calls import Call
from promptd.protocol.jsonrpc import codec_factory
from promptd.protocol.peers import CodecFactory, Handler, Peer
from promptd.server.batching import Batching
from promptd.server.connection import Connection, ConnectionContext
from promptd.server.peer import ConnectionCounts, Limits
from promptd.server.unread import Unread


def line_of(method: str = "echo", identity: Any = 1, **params: Any) -> bytes:
    """One request line."""
    request = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}
    return json.dumps(request).encode() + b"\n"


class EchoHandler:
    """Methods by name: echo, busy (an error), large (size=bytes), hold (answered by `release`), crash."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[Peer, Call]]] = []
        self.held: list[tuple[Peer, Call]] = []
        self.gone: list[Peer] = []

    def turn(self, batch: Sequence[tuple[Peer, Call]], until_s: float = inf) -> int:
        """Do what each method says."""
        self.batches.append(list(batch))
        for peer, call in batch:
            if peer.is_full:
                peer.defer(call)
            else:
                getattr(self, f"_{call.method}")(peer, call)
        return len(batch)

    def closed(self, peer: Peer) -> None:
        """Note who is gone."""
        self.gone.append(peer)

    def release(self) -> None:
        """Answer everything held."""
        held, self.held = self.held, []
        for peer, call in held:
            self._echo(peer, call)

    def _echo(self, peer: Peer, call: Call) -> None:
        peer.answer(call, call.params or b"{}")

    def _busy(self, peer: Peer, call: Call) -> None:
        peer.fail(call, Busy("not now", limit="patience"))

    def _large(self, peer: Peer, call: Call) -> None:
        size = msgspec.json.decode(call.params)["size"]
        peer.answer(call, b'"' + b"x" * (size - 2) + b'"')

    def _hold(self, peer: Peer, call: Call) -> None:
        self.held.append((peer, call))

    def _crash(self, peer: Peer, call: Call) -> None:
        raise LookupError("the handler has a bug")


class ManualLoop:
    """As much of an event loop as Batching uses; `turn` runs what was scheduled until then."""

    def __init__(self) -> None:
        self.scheduled: list[Callable[[], None]] = []
        self.reports: list[dict[str, Any]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Schedule for the next turn."""
        self.scheduled.append(callback)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what was reported."""
        self.reports.append(context)

    def turn(self) -> None:
        """Run what was scheduled until now."""
        scheduled, self.scheduled = self.scheduled, []
        for callback in scheduled:
            callback()


class RecordingTransport:
    """A transport that keeps what was written, and whose buffer is as full as the test says."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.unsent_bytes = 0
        self.is_reading = True
        self.is_closed = False
        self.is_aborted = False

    def get_extra_info(self, _name: str) -> None:
        """There is no socket."""

    def set_write_buffer_limits(self, high: int) -> None:
        """Keep the mark."""
        self.high = high

    def get_write_buffer_size(self) -> int:
        """As full as the test says."""
        return self.unsent_bytes

    def write(self, data: bytes) -> None:
        """Record one write."""
        self.writes.append(data)

    def writelines(self, pieces: list[bytes]) -> None:
        """Record one write of several pieces."""
        self.writes.append(b"".join(pieces))

    def pause_reading(self) -> None:
        """Note that nothing is read."""
        self.is_reading = False

    def resume_reading(self) -> None:
        """Note that reading goes on."""
        self.is_reading = True

    def close(self) -> None:
        """Note the end after the last byte."""
        self.is_closed = True

    def abort(self) -> None:
        """Note the end at once."""
        self.is_aborted = True

    @property
    def replies(self) -> list[dict[str, Any]]:
        """Every line written so far."""
        return [json.loads(line) for line in b"".join(self.writes).splitlines()]


class Table:
    """A connection between a fake transport and a handler, on a loop turned by hand."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits | None = None,
        now_s: float = 0.0,
        new_codec: CodecFactory | None = None,
    ) -> None:
        self.loop = ManualLoop()
        self.counts = ConnectionCounts()
        self.lost: list[Connection] = []
        self.batching = Batching(cast(asyncio.AbstractEventLoop, self.loop), handler)
        limits = limits or Limits()
        self.unread = Unread(limits.client_memory)
        self.context = ConnectionContext(
            self.batching, limits, self.counts, self.unread, new_codec or codec_factory(), self.lost.append
        )
        self.connection, self.transport = self.connect(now_s)

    def connect(self, now_s: float = 0.0) -> tuple[Connection, RecordingTransport]:
        """One more connection."""
        connection, transport = Connection(self.context, 1234, 1000, now_s), RecordingTransport()
        connection.connection_made(cast(asyncio.BaseTransport, transport))
        return connection, transport


class Dialogue:
    """One client: lines out, lines in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        """Send without waiting."""
        self.writer.write(data)

    async def receive(self) -> dict[str, Any]:
        """The next line."""
        line = await self.reader.readuntil(b"\n")
        received: dict[str, Any] = json.loads(line)
        return received

    async def ask(self, data: bytes) -> dict[str, Any]:
        """Send, and the next line."""
        self.say(data)
        return await self.receive()

    async def rest(self) -> bytes:
        """Everything until the daemon closes; a reset after the last byte is an end too."""
        data = bytearray()
        try:
            while chunk := await self.reader.read(1 << 20):
                data += chunk
        except ConnectionResetError:
            pass
        return bytes(data)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
