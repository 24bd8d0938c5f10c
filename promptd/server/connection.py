"""One peer: its bytes become calls, its answers become bytes, and its limits hold.

An asyncio.Protocol (of uvloop or asyncio) with no task and no timer of its own. Calls wait in a backlog
until a turn takes them; answers wait in an outbox until the turn's end. Reading stops while the peer has
too much under way or does not read what it was sent, so that whoever floods us slows down himself. Only
whole frames are ever handed to the transport, so only an abort (of a peer that does not read) can cut one.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from promptd.errors import PromptdError, PromptTooLarge
from promptd.protocol.calls import (
    NULL,
    Call,
    Event,
    Refusal,
)
from promptd.protocol.jsonrpc import (
    RESULT_TAIL,
    Decoder,
    Vetted,
    encode_error,
    encode_notification,
    encode_result,
    result_head,
)
from promptd.server.batching import Batching
from promptd.server.peer import ConnectionCounts, Limits, Peer
from promptd.server.timeouts import Patience, Pending, timeout_error

_ENVELOPE_BYTES = 64  # more than head and tail of a result take without the id
_SPLICED_BYTES = 32_768  # a body larger than this is handed on by reference rather than copied

# CPython's own writelines joins (3.11) or forgets to pause a fast writer (3.12.0 to 3.13.1, CVE-2024-12254).
_HAS_GOOD_WRITELINES = sys.version_info >= (3, 13, 2)


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What all connections of one listener share."""

    turns: Batching
    limits: Limits
    tally: ConnectionCounts
    vetted: Vetted
    on_lost: Callable[["Connection"], None]


class Connection(asyncio.Protocol):
    """A Peer over one socket; made by the listener, which also sweeps it."""

    def __init__(self, house: ConnectionContext, pid: int, uid: int, now_s: float) -> None:
        self.pid = pid
        self.uid = uid
        self.in_flight = 0
        self.is_closed = False
        self._turns = house.turns
        self._limits = house.limits
        self._tally = house.tally
        self._on_lost = house.on_lost
        self._decoder = Decoder(self._limits.max_request_bytes, self._limits.max_json_depth, house.vetted)
        self._patience = Patience(self._limits, now_s)
        self._transport: asyncio.Transport | None = None
        self._can_gather = False
        self._backlog: deque[Event] = deque()
        self._outbox: list[bytes] = []
        self._bytes_out = 0
        self._has_spoken = False
        self._is_ready = False  # a turn will take from the backlog
        self._is_paused = False  # we do not read
        self._is_congested = False  # the peer does not read
        self._is_parting = False  # the request that is on its way is the last one
        self._is_finishing = False  # nothing more is read, and the end comes when all is answered

    def __repr__(self) -> str:
        return f"<Connection pid {self.pid}, {self.in_flight} in flight, {len(self._backlog)} waiting>"

    # -- what the handler sees (peer.Peer) ------------------------------------------------------

    def answer(self, call: Call, body: bytes) -> None:
        """Reply with a result that is JSON already; see peer.Peer."""
        identity, size = call.id, len(body)
        if identity is None:
            self._settle(call)
        elif size + len(identity) + _ENVELOPE_BYTES > self._limits.max_reply_bytes:
            self.fail(call, self._too_large(size))
        else:
            self._settle(call)
            if size <= _SPLICED_BYTES:
                self._send(encode_result(identity, body))
            else:
                self._send(result_head(identity), body, RESULT_TAIL)

    def fail(self, call: Call, error: PromptdError) -> None:
        """Reply with an error; see peer.Peer."""
        self._settle(call)
        self._tally.errors += 1
        if call.id is not None:
            self._send(encode_error(call.id, error))

    def notify(self, method: str, params: bytes) -> None:
        """Send a notification; a peer that lets `max_reply_bytes` of them pile up is disconnected."""
        if self._is_congested and self._unsent_bytes() > self._limits.max_reply_bytes:
            self._give_up()
        self._send(encode_notification(method, params))

    def _too_large(self, size: int) -> PromptTooLarge:
        limit = self._limits.max_reply_bytes
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
        self._tally.requests += 1
        if self._is_paused or self._backlog:
            self._regulate()
        if self._is_finishing:
            self._turns.dirty(self)

    # -- reading --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._has_spoken = True
        self._tally.bytes_in += len(data)
        is_free = not (self.in_flight or self._backlog or self._is_congested or self._is_finishing)
        call = self._decoder.recall(data) if is_free else None
        if call is None:
            self._queue(self._decoder.feed(data))
        else:  # nothing stands before it: it needs no queue
            self.in_flight = 1
            self._turns.call(self, call)
        if self._is_parting:
            self.hear_out()

    def _queue(self, events: list[Event]) -> None:
        if events:
            self._backlog.extend(events)
            self._regulate()

    def eof_received(self) -> bool:
        """The peer sends no more (`printf … | nc -N`), but may still be waiting for answers."""
        self._backlog.extend(self._decoder.end())
        self.finish()
        return True

    def take(self, batch: list[tuple[Peer, Call]]) -> None:
        """Move calls into the batch, as many as may be in flight; answer refused lines."""
        self._is_ready = False
        backlog, limits = self._backlog, self._limits
        room = 0 if self._is_congested else limits.max_in_flight - self.in_flight
        for _ in range(min(limits.max_calls_a_turn, room, len(backlog))):
            event = backlog.popleft()
            if isinstance(event, Refusal):
                self._refuse(event)
            else:
                self.in_flight += 1
                batch.append((self, event))
        if backlog or self._is_paused or self.in_flight >= limits.max_in_flight:
            self._regulate()

    def _refuse(self, refusal: Refusal) -> None:
        self._tally.requests += 1
        self._tally.errors += 1
        self._send(encode_error(refusal.id, refusal.error))
        if self._is_finishing:
            self._turns.dirty(self)

    def _regulate(self) -> None:
        """Have what waits taken if it may be; read on, or stop reading."""
        if self.is_closed or self._transport is None:
            return
        room = self._limits.max_in_flight - self.in_flight
        if self._backlog and room > 0 and not self._is_congested and not self._is_ready:
            self._is_ready = True
            self._turns.ready(self)
        is_full = len(self._backlog) >= room or self._is_congested or self._is_finishing
        if is_full is not self._is_paused:
            self._is_paused = is_full
            self._read_or_not(self._transport)

    def _read_or_not(self, transport: asyncio.Transport) -> None:
        if self._is_paused:
            self._tally.paused += not self._is_finishing
            transport.pause_reading()
        else:
            transport.resume_reading()

    # -- writing --------------------------------------------------------------------------------

    def _send(self, *pieces: bytes) -> None:
        if self.is_closed:
            return
        if not self._outbox:
            self._turns.dirty(self)
        self._outbox += pieces

    def flush(self) -> None:
        """Write what is unsent; close if this was the last of it."""
        if self._transport is None or self.is_closed:
            self._outbox.clear()
            return
        if self._outbox:
            pieces, self._outbox = self._outbox, []
            self._write(self._transport, pieces)
        if self._is_finishing and not self._backlog and not self.in_flight:
            self.close()

    def _write(self, transport: asyncio.Transport, pieces: list[bytes]) -> None:
        if len(pieces) == 1:
            size = len(pieces[0])
            transport.write(pieces[0])
        else:
            size = sum(map(len, pieces))
            if self._can_gather and size > _SPLICED_BYTES:
                transport.writelines(pieces)
            else:
                transport.write(b"".join(pieces))
        self._bytes_out += size
        self._tally.bytes_out += size

    def pause_writing(self) -> None:
        """The peer does not read as fast as it asks: it is asked nothing more."""
        self._is_congested = True
        self._regulate()

    def resume_writing(self) -> None:
        """The peer has read on."""
        self._is_congested = False
        self._regulate()

    # -- life -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        self._transport = transport
        self._can_gather = _HAS_GOOD_WRITELINES or type(transport).__module__.startswith("uvloop")
        transport.set_write_buffer_limits(high=self._limits.write_high_water_bytes)
        if self.is_closed:  # aborted before it was ours
            transport.abort()
        elif self._is_finishing:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone; calls under way may still be answered, into the void."""
        self.is_closed = True
        self._backlog.clear()
        self._outbox.clear()
        self._on_lost(self)

    def hear_out(self) -> None:
        """Finish, but let a peer that has just connected, or is in the middle of a line, say it first."""
        self._is_parting = True
        if self._has_spoken and not self._decoder.is_mid_line:
            self.finish()

    def finish(self) -> None:
        """Read no more, answer what was received, then close."""
        self._is_finishing = True
        self._regulate()
        self._turns.dirty(self)

    def close(self) -> None:
        """Close as soon as what was written has been sent; what is still under way gets no reply."""
        if self._transport is not None and not self.is_closed:
            pieces, self._outbox = self._outbox, []
            if pieces:
                self._write(self._transport, pieces)
            self.is_closed = True
            self._transport.close()

    def abort(self) -> None:
        """Close now, whatever is unsent."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    def sweep(self, now_s: float) -> None:
        """Disconnect a peer that has left something unfinished for too long."""
        overdue = self._patience.overdue(self._state(), now_s)
        if overdue == "stall":
            self._give_up()
        elif overdue is not None:
            self._tally.timed_out += 1
            self._send(encode_error(NULL, timeout_error(overdue, self._limits)))
            self.finish()

    def _state(self) -> Pending | None:
        unsent = self._unsent_bytes()
        if unsent and (self._is_congested or self.is_closed):
            return Pending("stall", self._bytes_out - unsent)
        if self._is_finishing:
            return None
        if not self._has_spoken:
            return Pending("first_byte", 0)
        is_slow = self._decoder.is_mid_line and not self._is_paused
        return Pending("frame", self._decoder.lines) if is_slow else None

    def _unsent_bytes(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _give_up(self) -> None:
        self._tally.stalled += 1
        self.abort()
