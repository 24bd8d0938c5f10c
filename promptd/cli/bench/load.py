"""The load client: a closed loop on some connections, one request in progress on each, each reply timed.

One thread and one selector, which is what a client in Python can do with least disturbance; the daemon is
another process. A request's time runs from before it is sent until its last byte was received.
"""

import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptd.errors import Unavailable

CHUNK_BYTES = 1 << 20
REPLY_WITHIN_S = 30.0
NEWLINE = ord("\n")
ERROR_WITHIN = 80  # bytes from the start of a reply in which `"error"` stands, if it is one


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of each reply, how many of them were errors, and how long all of it took."""

    took_ms: tuple[float, ...]
    errors: int
    seconds: float

    def percentile(self, percent: float) -> float:
        """The time that `percent` % of the replies did not exceed (nearest rank)."""
        return percentile(self.took_ms, percent)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.took_ms) / self.seconds if self.seconds else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` % do not exceed (nearest rank); 0.0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)] if ordered else 0.0


def closed_loop(
    path: Path,
    connections: int,
    requests: Iterator[bytes],
    *,
    seconds: float | None = None,
    count: int | None = None,
    on_reply: Callable[[bytes], None] | None = None,
) -> Timings:
    """Ask until `seconds` are over or `count` replies have come, whichever is first.

    Raises:
        Unavailable: the daemon closed the connection, or did not reply within REPLY_WITHIN_S.
    """
    took_ms: list[float] = []
    errors = 0
    with selectors.DefaultSelector() as selector:
        turns = [_Turn(path, selector) for _ in range(connections)]
        try:
            for turn in turns:
                turn.ask(next(requests))
            began = time.perf_counter()
            while not _is_over(len(took_ms), count, began, seconds):
                for turn in _received(selector):
                    took_ms.append(turn.took_ms)
                    errors += turn.is_error
                    if on_reply is not None:
                        on_reply(turn.reply())
                    turn.ask(next(requests))
            return Timings(tuple(took_ms), errors, time.perf_counter() - began)
        finally:
            for turn in turns:
                turn.socket.close()


def _is_over(done: int, count: int | None, began: float, seconds: float | None) -> bool:
    if count is not None and done >= count:
        return True
    return seconds is not None and time.perf_counter() - began >= seconds


def _received(selector: selectors.BaseSelector) -> "Iterator[_Turn]":
    """The connections whose reply is complete now."""
    ready = selector.select(REPLY_WITHIN_S)
    if not ready:
        raise Unavailable(f"no reply from the daemon within {REPLY_WITHIN_S:g} s")
    for key, _ in ready:
        turn: _Turn = key.data
        if turn.receive():
            yield turn


class _Turn:
    """One connection: when it asked, what it has received. All share one buffer."""

    _buffer = memoryview(bytearray(CHUNK_BYTES))

    def __init__(self, path: Path, selector: selectors.BaseSelector) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(REPLY_WITHIN_S)
        self.socket.connect(str(path))
        selector.register(self.socket, selectors.EVENT_READ, self)
        self.took_ms = 0.0
        self._asked_s = 0.0
        self._pieces: list[bytes] = []

    def ask(self, request: bytes) -> None:
        """Send the next request."""
        self._pieces = []
        self._asked_s = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take what has arrived; True if that completes the reply."""
        size = self.socket.recv_into(self._buffer)
        if not size:
            raise Unavailable("the daemon closed the connection")
        is_whole = self._buffer[size - 1] == NEWLINE
        if is_whole:
            self.took_ms = 1000 * (time.perf_counter() - self._asked_s)
        self._pieces.append(bytes(self._buffer[:size]))
        return is_whole

    def reply(self) -> bytes:
        """The whole reply."""
        return b"".join(self._pieces)

    @property
    def is_error(self) -> bool:
        """True if the reply is an error."""
        return b'"error"' in self._pieces[0][:ERROR_WITHIN]
