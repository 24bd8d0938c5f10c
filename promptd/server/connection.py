"""One connection: its bytes become calls, its answers become bytes, and its limits hold.

An asyncio.Protocol (of uvloop or asyncio) with no task and no timer of its own. How bytes are framed is up
to the codec it is handed. Calls wait in a backlog until a turn of the event loop takes them; answers
wait in an outbox until the turn's end. Reading stops while the peer has too much in flight or does not read
what it was sent, so a client that floods the daemon slows itself down.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from promptd.errors import Busy, PromptdError, PromptTooLarge
from promptd.protocol.calls import Call, Refusal
from promptd.protocol.peers import CodecFactory, Peer
from promptd.server.batching import Batching
from promptd.server.inbox import Inbox
from promptd.server.outbox import Outbox
from promptd.server.peer import ConnectionCounts, Limits
from promptd.server.timeouts import Patience, Pending, timeout_error
from promptd.server.unread import SMALL_BYTES, Unread

_AHEAD_BYTES = 4_194_304  # replies of one connection that are made before any of them has been read
_ENVELOPE_BYTES = 64  # more than a frame takes around a result, without the id


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What all connections of one listener share."""

    batching: Batching
    limits: Limits
    counts: ConnectionCounts
    unread: Unread
    new_codec: CodecFactory
    on_lost: Callable[["Connection"], None]


class Connection(asyncio.Protocol):
    """A Peer over one socket; made by the listener, which also checks its times (`sweep`).

    It ends in steps: `drain` (the request that is being sent is the last one), `finish` (nothing more is
    read, what was received is answered), `close` (what was answered is sent), `abort`.
    """

    def __init__(self, context: ConnectionContext, pid: int, uid: int, now_s: float) -> None:
        self.pid = pid
        self.uid = uid
        self.in_flight = 0
        self.is_closed = False
        self._context = context
        self._codec = context.new_codec()
        self._patience = Patience(context.limits, now_s)
        self._transport: asyncio.Transport | None = None
        self._inbox = Inbox(self._codec)
        self._outbox = Outbox(context.unread, uid)
        self._is_paused = False  # we do not read
        self._ending: Literal["draining", "finishing"] | None = None

    def __repr__(self) -> str:
        return f"<Connection pid {self.pid}, {self.in_flight} in flight, {len(self._inbox.calls)} waiting>"

    # -- what the handler sees (protocol.peers.Peer) ----------------------------------------------

    def answer(self, call: Call, body: bytes) -> None:
        """Reply with a result that is JSON already; see Peer."""
        size, outbox = len(body), self._outbox
        if size > outbox.largest_bytes:
            outbox.largest_bytes = size
        if call.id is None:
            self._settle(call)
        elif size + len(call.id) + _ENVELOPE_BYTES > self._context.limits.max_reply_bytes:
            self.fail(call, self._too_large(size))
        elif size > SMALL_BYTES and (busy := outbox.objection(size)):
            self.fail(call, busy)
        else:
            self._settle(call)
            self._send(self._codec.result(call, body))
            if size > SMALL_BYTES or outbox.unread_bytes:
                self._count_unread()

    def fail(self, call: Call, error: PromptdError) -> None:
        """Reply with an error; see Peer."""
        self._settle(call)
        self._context.counts.errors += 1
        if call.id is not None:
            self._send((self._codec.error(call, error),))

    @property
    def is_full(self) -> bool:
        """See Peer."""
        return self._outbox.unread_bytes >= _AHEAD_BYTES

    def objection(self) -> Busy | None:
        """See Peer."""
        return self._outbox.objection(SMALL_BYTES + 1)

    def defer(self, call: Call) -> None:
        """Take a call back; see Peer. It is the next again when this turn is over."""
        self.in_flight -= 1
        self._inbox.calls.defer(call)

    def notify(self, method: str, params: bytes) -> None:
        """Send a notification; a peer that lets `max_reply_bytes` of them pile up is disconnected."""
        if self._outbox.is_congested and self._unsent_bytes() > self._context.limits.max_reply_bytes:
            self._give_up()
        frame = self._codec.notification(method, params)
        if frame is not None:
            self._send((frame,))

    def _too_large(self, size: int) -> PromptTooLarge:
        limit = self._context.limits.max_reply_bytes
        return PromptTooLarge(
            f"the reply has {size} bytes, the limit is {limit}: ask for less at once",
            reply_bytes=size,
            max_reply_bytes=limit,
        )

    def _settle(self, call: Call) -> None:
        if call.is_answered:
            raise RuntimeError(f"a call of {call.method!r} was answered twice")
        call.is_answered = True
        self.in_flight -= 1
        self._context.counts.requests += 1
        if self._is_paused or self._inbox:
            self._regulate()
        if self._ending:
            self._context.batching.dirty(self)

    # -- reading --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        context = self._context
        context.counts.bytes_in += len(data)
        is_idle = not (self.in_flight or self._inbox or self._ending)
        call = self._codec.recall(data) if is_idle and not self._outbox.is_congested else None
        if call is None:
            self._inbox.take_in(data)
            self._regulate()
        else:  # nothing is before it: it needs no queue
            self.in_flight = 1
            context.batching.call(self, call)
        if self._ending:
            self.drain()

    def eof_received(self) -> bool:
        """The peer sends no more (`printf … | nc -N`), but may still be waiting for answers."""
        self._inbox.end()
        self.finish()
        return True

    def take(self, batch: list[tuple[Peer, Call]]) -> None:
        """Move calls into the batch, as many as may be in flight; answer refused frames."""
        inbox, limits = self._inbox, self._context.limits
        room = self._room()
        inbox.look(room)
        for _ in range(min(limits.max_calls_a_turn, room, len(inbox.calls))):
            event = inbox.calls.popleft()
            if isinstance(event, Refusal):
                self._refuse(event)
            else:
                self.in_flight += 1
                batch.append((self, event))
        if inbox or self._is_paused or self.in_flight >= limits.max_in_flight:
            self._regulate()
        if self._ending:
            self.drain()
            self._context.batching.dirty(self)

    def _room(self) -> int:
        """How many more calls may be begun: fewer if replies turned out large, none of a slow reader."""
        if self._outbox.is_congested:
            return 0
        most = self._context.limits.max_in_flight
        if (largest := self._outbox.largest_bytes) > SMALL_BYTES:
            most = min(most, max(1, _AHEAD_BYTES // largest))
        return most - self.in_flight

    def _refuse(self, refusal: Refusal) -> None:
        self._context.counts.requests += 1
        self._context.counts.errors += 1
        self._send((self._codec.error(refusal, refusal.error),))
        if self._ending:
            self._context.batching.dirty(self)

    def _regulate(self) -> None:
        """Have what waits taken if it may be; read on, or stop reading."""
        if self.is_closed or self._transport is None:
            return
        is_congested = self._outbox.is_congested
        room = self._context.limits.max_in_flight - self.in_flight
        if self._inbox and self._room() > 0:
            self._context.batching.ready(self)
        is_full = len(self._inbox.calls) >= room or self._inbox.is_full or is_congested
        is_full = is_full or self._ending == "finishing"
        if is_full is not self._is_paused:
            self._is_paused = is_full
            self._read_or_not(self._transport)

    def _read_or_not(self, transport: asyncio.Transport) -> None:
        if self._is_paused:
            self._context.counts.paused += self._ending != "finishing"
            transport.pause_reading()
        else:
            transport.resume_reading()

    # -- writing --------------------------------------------------------------------------------

    def _send(self, pieces: Sequence[bytes]) -> None:
        if self.is_closed:
            return
        outbox = self._outbox
        if not outbox.pieces:
            self._context.batching.dirty(self)
        outbox.pieces += pieces

    def _count_unread(self) -> None:
        """Tell the context how much of what was sent is still here."""
        if self.is_closed:
            self._outbox.forget_unread()
        else:
            self._outbox.count_unread(self._unsent_bytes())

    def flush(self) -> None:
        """Write what is unsent; close if this was the last of it."""
        outbox = self._outbox
        if self._inbox.calls.put_back():
            self._regulate()
        if self._transport is None or self.is_closed:
            outbox.pieces.clear()
            return
        if outbox.pieces:
            self._context.counts.bytes_out += outbox.write_to(self._transport)
            if outbox.unread_bytes or outbox.is_congested:
                self._count_unread()
        if self._ending:
            self._close_if_finished()

    def _close_if_finished(self) -> None:
        if self._ending == "finishing" and not (self._inbox or self.in_flight):
            self.close()

    def pause_writing(self) -> None:
        """The peer does not read as fast as it asks: nothing more of its calls is begun."""
        self._outbox.is_congested = True
        self._count_unread()
        self._regulate()

    def resume_writing(self) -> None:
        """The peer has read on."""
        self._outbox.is_congested = False
        self._count_unread()
        self._regulate()

    # -- life -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        self._transport = transport
        self._outbox.open(transport, self._context.limits.write_high_water_bytes)
        if self.is_closed:  # aborted before it was ours
            transport.abort()
        elif self._ending == "finishing":
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone; calls in flight may still be answered, and nothing is sent."""
        self.is_closed = True
        self._inbox.clear()
        self._outbox.pieces.clear()
        self._count_unread()
        self._context.on_lost(self)

    def drain(self) -> None:
        """Finish, but let a peer that has just connected, or is in the middle of a frame, send it first."""
        if self._ending == "finishing":
            return
        self._ending = "draining"
        if self._codec.frames and not (self._codec.is_mid_frame or self._inbox.is_unread):
            self.finish()

    def finish(self) -> None:
        """Read no more, answer what was received, then close."""
        self._ending = "finishing"
        self._regulate()
        self._context.batching.dirty(self)

    def close(self) -> None:
        """Close as soon as what was written has been sent; calls in flight get no reply."""
        if self._transport is not None and not self.is_closed:
            if self._outbox.pieces:
                self._context.counts.bytes_out += self._outbox.write_to(self._transport)
            self.is_closed = True
            self._transport.close()

    def abort(self) -> None:
        """Close now, whatever is unsent."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    # -- timeouts -------------------------------------------------------------------------------

    def sweep(self, now_s: float) -> None:
        """Disconnect a peer that left something unfinished for too long."""
        if self._outbox.unread_bytes:
            self._count_unread()
        overdue = self._patience.overdue(self._state(), now_s)
        if overdue == "stall":
            self._give_up()
        elif overdue is not None:
            self._context.counts.timed_out += 1
            self._send((self._codec.error(None, timeout_error(overdue, self._context.limits)),))
            self.finish()

    @property
    def paused_descriptor(self) -> int | None:
        """The socket's, while we do not read from it and so would not notice that the peer is gone."""
        if not self._is_paused or self.is_closed or self._transport is None:
            return None
        socket = self._transport.get_extra_info("socket")
        return None if socket is None else int(socket.fileno())

    def _state(self) -> Pending | None:
        unsent = self._unsent_bytes()
        if unsent and (self._outbox.is_congested or self.is_closed):
            return Pending("stall", self._outbox.sent_bytes(unsent))
        if self._ending == "finishing" or self._inbox.is_unread:
            return None
        frames = self._codec.frames
        if not self._codec.is_mid_frame:
            return None if frames else Pending("first_byte", 0)
        return None if self._is_paused else Pending("frame", frames)

    def _unsent_bytes(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _give_up(self) -> None:
        self._context.counts.stalled += 1
        self.abort()
