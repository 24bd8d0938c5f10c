"""The listener: accepts connections, keeps them, checks their times, and ends them.

Composition and lifetime only: who may connect is decided in admission.py, what is done with a peer's bytes in
connection.py, when calls are answered in batching.py. At a stop every request that was read is answered,
every reply that was begun is sent whole, and only then is the lock on the socket released.
"""

import asyncio
import contextlib
import os
import select
import socket
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from promptd.protocol.peers import CodecFactory, Handler
from promptd.server.acceptor import Acceptor
from promptd.server.admission import Admission, connection_limit, credentials_of
from promptd.server.batching import Batching
from promptd.server.binding import Binding
from promptd.server.connection import Connection, ConnectionContext
from promptd.server.peer import ConnectionCounts, Limits, ListenerStatistics
from promptd.server.rejected import Rejected
from promptd.server.shares import TimeShares
from promptd.server.unread import Unread

_LAST_REQUEST_S = 1.0  # of the grace: time for a peer that has just connected to send its request
_LAST_FLUSH = 0.1  # of the grace: time for a peer that reads to receive what was written to it


class Listener:
    """Serves a handler on listening sockets, from `start` to `stop`, in the event loop it is made in.

    `new_codec` makes the codec of each connection: it says what is spoken on these sockets. `allow_uids` are
    users beside our own and root. `clock` gives seconds and never goes back. `shares` are the handler's.
    """

    def __init__(
        self,
        bindings: Sequence[Binding],
        handler: Handler,
        new_codec: CodecFactory,
        limits: Limits | None = None,
        *,
        allow_uids: Collection[int] = (),
        clock: Callable[[], float] = time.monotonic,
        shares: TimeShares | None = None,
    ) -> None:
        limits = limits or Limits()
        self._bindings = tuple(bindings)
        self._handler = handler
        self._clock = clock
        self._admission = Admission(limits, {0, os.geteuid(), *allow_uids})
        self._connections: set[Connection] = set()
        self._rejected = Rejected()
        self._openings: set[asyncio.Task[None]] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        batching = Batching(self._loop, handler, shares)
        self._context = ConnectionContext(
            batching, limits, ConnectionCounts(), Unread(limits.client_memory), new_codec, self._lost
        )
        sockets = [binding.socket for binding in bindings]
        self._acceptor = Acceptor(sockets, self._loop, self._accepted)

    def __repr__(self) -> str:
        paths = ", ".join(binding.path for binding in self._bindings)
        return f"<Listener on {paths}: {len(self._connections)} connections>"

    async def start(self) -> None:
        """Accept connections from now on."""
        self._admission.capacity = connection_limit(self._context.limits)
        self._acceptor.start()

    async def stop(self, grace_s: float) -> None:
        """Accept no more, answer what was received, send it, close, release the socket, all within `grace_s`.

        A peer that has just connected may send its request first, so that behind a socket that outlives us
        (systemd's) no client notices a restart: a connection is either answered by us or left in the queue
        for the next daemon. A peer that does not read its replies is cut off at the end. Cancelled, or called
        with 0, it ends everything at once.
        """
        try:
            self._acceptor.stop()
            await asyncio.to_thread(self._withdraw)
            self._each(Connection.drain)
            answering_s = grace_s * (1 - _LAST_FLUSH)
            await self._emptied(last_request_s := min(answering_s, _LAST_REQUEST_S))
            self._each(Connection.finish)
            await self._emptied(answering_s - last_request_s)
            self._each(Connection.close)
            await self._emptied(grace_s * _LAST_FLUSH)
            self._each(Connection.abort)
            await self._emptied(grace_s * _LAST_FLUSH)  # the loop tells us in its next turn
        finally:
            self._end()

    def sweep(self) -> None:
        """Look at every connection's times once; a timer does so while there are connections."""
        now_s = self._clock()
        paused = {connection: connection.paused_descriptor for connection in self._connections}
        gone = _hung_up(descriptor for descriptor in paused.values() if descriptor is not None)
        for connection, descriptor in paused.items():
            if descriptor in gone:
                connection.abort()
            else:
                connection.sweep(now_s)

    def statistics(self) -> ListenerStatistics:
        """A frozen record; see ListenerStatistics for the meaning of each number."""
        counts = self._context.counts
        return ListenerStatistics(
            connections=len(self._connections),
            in_flight=sum(connection.in_flight for connection in self._connections),
            accepted=self._admission.accepted,
            accept_failures=self._acceptor.failures,
            refused=self._admission.refused(),
            requests=counts.requests,
            errors=counts.errors,
            bytes_in=counts.bytes_in,
            bytes_out=counts.bytes_out,
            paused=counts.paused,
            stalled=counts.stalled,
            timed_out=counts.timed_out,
        )

    # -- accepting ------------------------------------------------------------------------------

    def _accepted(self, accepted: socket.socket) -> None:
        pid, uid = credentials_of(accepted)
        refusal = self._admission.enter(uid)
        if refusal is not None:
            self._rejected.reject(accepted, self._context.new_codec().error(None, refusal))
        else:
            self._connect(accepted, pid, uid)
        if self._sweep_timer is None:
            self._sweep_later()

    def _connect(self, accepted: socket.socket, pid: int, uid: int) -> None:
        connection = Connection(self._context, pid, uid, self._clock())
        self._connections.add(connection)
        self._is_empty.clear()
        opening = self._loop.create_task(self._open(connection, accepted))
        self._openings.add(opening)
        opening.add_done_callback(self._openings.discard)

    async def _open(self, connection: Connection, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:  # epoll is full (fs.epoll.max_user_watches), or the peer is gone already
            accepted.close()
            self._lost(connection)

    def _sweep_later(self) -> None:
        self._sweep_timer = self._loop.call_later(self._context.limits.sweep_s, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweep_timer = None
        self.sweep()
        self._rejected.sweep()
        if self._connections or self._rejected:
            self._sweep_later()

    # -- ending ---------------------------------------------------------------------------------

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

    def _withdraw(self) -> None:
        for binding in self._bindings:
            binding.withdraw()

    def _end(self) -> None:
        self._each(Connection.abort)
        self._rejected.clear()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for binding in self._bindings:
            if binding.is_open:  # only if the stop was cancelled at its very beginning
                binding.withdraw()
            binding.release()


def _hung_up(descriptors: Iterable[int]) -> frozenset[int]:
    """Those whose peer has closed its socket, not only said that it sends no more: one look at all."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, 0)  # a hang-up is told without being asked for
    return frozenset(each for each, events in poll.poll(0) if events & (select.POLLHUP | select.POLLERR))
