"""One blocking connection: lines out, lines in, each within a deadline.

Only this file of the blocking client touches a socket. A deadline is a time of time.monotonic.
"""

import socket
import time

from promptd.client.trust import check_server
from promptd.client.wire import (
    MAX_REPLY_BYTES,
    Broken,
    ReplyLine,
    decode_line,
    too_long,
    too_slow,
    unreachable,
)
from promptd.errors import Unavailable

_CHUNK_BYTES = 262_144
_RETRY_S = 0.01  # the kernel's queue of the daemon's socket is full: it says so at once instead of waiting


class ClientConnection:
    """A connection that is open from the beginning. Raises Unavailable if no daemon to believe answers.

    A line of more than `max_reply_bytes` is not taken in.
    """

    def __init__(self, path: str, timeout_s: float, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        self.path = path
        self._max_reply_bytes = max_reply_bytes
        self._timeout_s = timeout_s
        self._held = bytearray()
        self._scanned = 0
        self._socket = _connect(path, time.monotonic() + timeout_s, timeout_s)

    def send(self, line: bytes, deadline_s: float) -> None:
        """Send a line. A daemon that hung up may have said why: that is found when the answer is read."""
        try:
            self._wait_until(deadline_s)
            self._socket.sendall(line)
        except TimeoutError:
            raise too_slow(self.path, self._timeout_s) from None
        except (BrokenPipeError, ConnectionResetError):
            pass
        except OSError as error:
            raise Broken(is_clean=True) from error

    def receive(self, deadline_s: float | None) -> ReplyLine:
        """The next line; None waits for ever.

        Raises:
            Broken: the connection ended.
            Unavailable: it did not come in time, is too long, or is no line of promptd's.
        """
        while (end := self._held.find(b"\n", self._scanned)) < 0:
            self._scanned = len(self._held)
            if self._scanned > self._max_reply_bytes:
                raise too_long(self.path, self._max_reply_bytes)
            self._held += self._more(deadline_s)
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        self._scanned = 0
        return decode_line(line)

    def reply(self, identity: int, deadline_s: float) -> ReplyLine:
        """The answer to a request, or an error that concerns the whole connection. Raises like receive."""
        while True:
            line = self.receive(deadline_s)
            if line.id == identity or (line.id is None and line.error is not None):
                return line

    def _more(self, deadline_s: float | None) -> bytes:
        try:
            self._wait_until(deadline_s)
            chunk = self._socket.recv(_CHUNK_BYTES)
        except TimeoutError:
            raise too_slow(self.path, self._timeout_s) from None
        except OSError:  # reset, or closed by another thread
            chunk = b""
        if not chunk:
            raise Broken(is_clean=not self._held)
        return chunk

    def _wait_until(self, deadline_s: float | None) -> None:
        if deadline_s is None:
            self._socket.settimeout(None)
            return
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise too_slow(self.path, self._timeout_s)
        self._socket.settimeout(left_s)

    def interrupt(self) -> None:
        """End the connection under a thread that is waiting for it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # ended already

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _connect(path: str, deadline_s: float, timeout_s: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        while not _try_connect(connection, path):
            if time.monotonic() + _RETRY_S > deadline_s:
                raise too_slow(path, timeout_s)
            time.sleep(_RETRY_S)
        check_server(connection, path)
    except (OSError, Unavailable) as error:
        connection.close()
        if isinstance(error, OSError):
            raise unreachable(path, error) from None
        raise
    return connection


def _try_connect(connection: socket.socket, path: str) -> bool:
    try:
        connection.connect(path)
    except BlockingIOError:
        return False
    return True
