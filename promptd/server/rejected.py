"""Refused connections: the client is sent the reason before its socket is closed.

A socket that is closed at once makes its client's first write fail, and many clients then never read why.
So a refused client is sent one error and the end of the stream, and may go on writing for a moment, which is
ignored; the descriptor is kept until the second sweep after that, and only so many of them.
"""

import contextlib
import socket

MAX_KEPT = 8  # descriptors a flood of refused connections can hold; the oldest go first


class Rejected:
    """Refused sockets that are still open."""

    def __init__(self) -> None:
        self._fresh: list[socket.socket] = []
        self._stale: list[socket.socket] = []

    def __repr__(self) -> str:
        return f"<Rejected {len(self._fresh) + len(self._stale)}>"

    def __bool__(self) -> bool:
        return bool(self._fresh or self._stale)

    def reject(self, refused: socket.socket, error: bytes) -> None:
        """Send the encoded error and the end of the stream, and keep the socket for a while."""
        with contextlib.suppress(OSError):  # the client is gone already
            refused.send(error)
            refused.shutdown(socket.SHUT_WR)
        self._fresh.append(refused)
        while len(self._fresh) + len(self._stale) > MAX_KEPT:
            (self._stale or self._fresh).pop(0).close()

    def sweep(self) -> None:
        """Close those that were here at the last sweep."""
        for refused in self._stale:
            refused.close()
        self._stale, self._fresh = self._fresh, []

    def clear(self) -> None:
        """Close them all."""
        self.sweep()
        self.sweep()
