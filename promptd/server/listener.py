"""The listener: lets peers in, holds their connections, sweeps them, and sees them out.

Composition and life only: what is decided about a peer stands in admission.py, what is done with its bytes
in connection.py, when calls are answered in turns.py. At a stop every request that was read is answered,
every reply that was begun is sent whole, and only then does the lock on the socket go.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Collection, Sequence

from promptd.protocol.calls import NULL
from promptd.protocol.jsonrpc import Vetted, encode_error
from promptd.server.acceptor import Acceptor
from promptd.server.admission import Admission, credentials_of, places_for
from promptd.server.batching import Batching
from promptd.server.binding import Binding
from promptd.server.connection import Connection, ConnectionContext
from promptd.server.peer import (
    ConnectionCounts,
    Handler,
    Limits,
    ListenerStatistics,
)
from promptd.server.rejected import Rejected

_LAST_WORD_S = 1.0  # of the grace: time for a peer that has just connected to send its request
_LAST_FLUSH = 0.1  # of the grace: time for a peer that reads to receive what was written to it


class Listener:
    """Serves a handler on listening sockets, from `start` to `stop`, both in one event loop.

    `allow_uids` are users beside our own and root. `clock` gives seconds and never goes back.
    """

    def __init__(
        self,
        bindings: Sequence[Binding],
        handler: Handler,
        limits: Limits | None = None,
        *,
        allow_uids: Collection[int] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bindings = tuple(bindings)
        self._handler = handler
        self._limits = limits or Limits()
        self._clock = clock
        self._admission = Admission(self._limits, {0, os.geteuid(), *allow_uids})
        self._tally = ConnectionCounts()
        self._connections: set[Connection] = set()
        self._turned_away = Rejected()
        self._openings: set[asyncio.Task[None]] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._house: ConnectionContext
        self._acceptor: Acceptor | None = None

    def __repr__(self) -> str:
        paths = ", ".join(binding.path for binding in self._bindings)
        return f"<Listener on {paths}: {len(self._connections)} connections>"

    async def start(self) -> None:
        """Accept connections from now on."""
        self._loop = asyncio.get_running_loop()
        turns = Batching(self._loop, self._handler)
        self._house = ConnectionContext(turns, self._limits, self._tally, Vetted(), self._lost)
        sockets = [binding.socket for binding in self._bindings]
        self._admission.places = places_for(self._limits)
        self._acceptor = Acceptor(sockets, self._loop, self._admit)
        self._acceptor.start()

    async def stop(self, grace_s: float) -> None:
        """Accept no more, answer what was received, send it, close, release the socket, all within `grace_s`.

        Who has just connected is heard first, so that behind a socket that outlives us (systemd's) nobody
        notices a restart: a connection is either answered by us or left in the queue for the next daemon. A
        peer that does not read its replies is cut off at the end. Cancelled, or called with 0, it ends
        everything at once.
        """
        try:
            self._stop_accepting()
            await asyncio.to_thread(self._withdraw)
            self._each(Connection.hear_out)
            answering_s = grace_s * (1 - _LAST_FLUSH)
            await self._emptied(last_word_s := min(answering_s, _LAST_WORD_S))
            self._each(Connection.finish)
            await self._emptied(answering_s - last_word_s)
            self._each(Connection.close)
            await self._emptied(grace_s * _LAST_FLUSH)
            self._each(Connection.abort)
            await self._emptied(grace_s * _LAST_FLUSH)  # the loop tells us in its next turn
        finally:
            self._end()

    def sweep(self) -> None:
        """Look at every connection's times once; a timer does so while there are connections."""
        now_s = self._clock()
        for connection in list(self._connections):
            connection.sweep(now_s)

    def statistics(self) -> ListenerStatistics:
        """A frozen record; see ListenerStatistics for the meaning of each number."""
        tally = self._tally
        return ListenerStatistics(
            connections=len(self._connections),
            in_flight=sum(connection.in_flight for connection in self._connections),
            accepted=self._admission.accepted,
            accept_failures=self._acceptor.failures if self._acceptor else 0,
            refused=self._admission.refused(),
            requests=tally.requests,
            errors=tally.errors,
            bytes_in=tally.bytes_in,
            bytes_out=tally.bytes_out,
            paused=tally.paused,
            stalled=tally.stalled,
            timed_out=tally.timed_out,
        )

    # -- coming -----------------------------------------------------------------------------------

    def _admit(self, accepted: socket.socket) -> None:
        pid, uid = credentials_of(accepted)
        refusal = self._admission.enter(uid)
        if refusal is not None:
            self._turned_away.tell(accepted, encode_error(NULL, refusal))
        else:
            self._welcome(accepted, pid, uid)
        if self._sweeping is None:
            self._sweep_later()

    def _welcome(self, accepted: socket.socket, pid: int, uid: int) -> None:
        connection = Connection(self._house, pid, uid, self._clock())
        self._connections.add(connection)
        self._is_empty.clear()
        opening = self._loop.create_task(self._open(connection, accepted))
        self._openings.add(opening)
        opening.add_done_callback(self._openings.discard)

    async def _open(self, connection: Connection, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:  # epoll has no room (fs.epoll.max_user_watches), or the peer is gone already
            accepted.close()
            self._lost(connection)

    def _sweep_later(self) -> None:
        self._sweeping = self._loop.call_later(self._limits.sweep_s, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweeping = None
        self.sweep()
        self._turned_away.sweep()
        if self._connections or self._turned_away:
            self._sweep_later()

    # -- going ------------------------------------------------------------------------------------

    def _lost(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._admission.leave(connection.uid)
            self._handler.closed(connection)
        if not self._connections:
            self._is_empty.set()

    def _each(self, act: Callable[[Connection], None]) -> None:
        for connection in list(self._connections):
            act(connection)

    async def _emptied(self, within_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_empty.wait(), within_s)

    def _stop_accepting(self) -> None:
        if self._acceptor is not None:
            self._acceptor.stop()

    def _withdraw(self) -> None:
        for binding in self._bindings:
            binding.withdraw()

    def _end(self) -> None:
        self._each(Connection.abort)
        self._turned_away.clear()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for binding in self._bindings:
            if binding.is_open:  # only if the stop was cancelled at its very beginning
                binding.withdraw()
            binding.release()
