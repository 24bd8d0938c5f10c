"""Accepting connections, and surviving it when there is nothing left to accept with.

Our own accept rather than the loop's server, because the two loops differ where it matters: out of file
descriptors, asyncio pauses a second and logs, uvloop (libuv) accepts with a reserve descriptor and hangs
up on the client. Here both wait: the listening socket is left alone for a moment, clients stay queued in
the kernel, and they are served as soon as a descriptor is free.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence

_BURST = 64  # accepted in one turn at most, so that a flood of connections leaves time for requests
_PAUSE_S = 0.1  # without descriptors: no spinning, and hardly noticed by a client that waits


class Acceptor:
    """Hands each accepted socket, non-blocking, to `on_socket`."""

    def __init__(
        self,
        listening: Sequence[socket.socket],
        loop: asyncio.AbstractEventLoop,
        on_socket: Callable[[socket.socket], None],
    ) -> None:
        self._listening = tuple(listening)
        self._loop = loop
        self._on_socket = on_socket
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        self.failures = 0

    def __repr__(self) -> str:
        return f"<Acceptor of {len(self._listening)} sockets, {len(self._pauses)} paused>"

    def start(self) -> None:
        """Accept from now on."""
        for listening in self._listening:
            self._resume(listening)

    def stop(self) -> None:
        """Accept no more; what is queued stays queued with the kernel."""
        for listening in self._listening:
            self._loop.remove_reader(listening)
        self._listening = ()
        for pause in self._pauses.values():
            pause.cancel()
        self._pauses.clear()

    def _resume(self, listening: socket.socket) -> None:
        self._pauses.pop(listening, None)
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_BURST):
            try:
                accepted, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # EMFILE, ENFILE, ENOBUFS, ENOMEM: nothing is left to accept with
                self._pause(listening)
                return
            accepted.setblocking(False)
            self._on_socket(accepted)

    def _pause(self, listening: socket.socket) -> None:
        self.failures += 1
        self._loop.remove_reader(listening)
        self._pauses[listening] = self._loop.call_later(_PAUSE_S, self._resume, listening)
