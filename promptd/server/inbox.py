"""What one connection was sent and nobody has begun: bytes as the socket gave them, then its calls.

A socket may give a quarter of a megabyte at once, which is thousands of small requests; to read them all
would hold up everybody else. They are read in pieces, when there is room for the calls they hold.
"""

import time
from collections import deque

from promptd.protocol.peers import Codec
from promptd.server.backlog import Backlog

SMALL_BYTES = 1_024  # is read when it comes: it is not worth waiting for its turn
PIECE_BYTES = 8_192  # some hundred small requests, a millisecond
LOOK_S = 0.002  # of one connection in one turn of the loop
FULL_BYTES = 65_536


class Inbox:
    """Chunks that are unread, and the `calls` (and refused frames) that a codec made of what was read."""

    __slots__ = ("_chunks", "_codec", "_is_ended", "_offset", "_size_bytes", "calls")

    def __init__(self, codec: Codec) -> None:
        self.calls = Backlog()
        self._codec = codec
        self._chunks: deque[bytes] = deque()
        self._offset = 0  # what of the first chunk is read
        self._size_bytes = 0
        self._is_ended = False

    def __repr__(self) -> str:
        return f"<Inbox {len(self.calls)} calls, {self._size_bytes} bytes unread>"

    def __bool__(self) -> bool:
        return bool(self.calls or self._size_bytes or self._is_ended)

    @property
    def is_unread(self) -> bool:
        """True while something has come that nobody has looked at."""
        return self._size_bytes > 0 or self._is_ended

    @property
    def is_full(self) -> bool:
        """True while so much is unread that no more should be received."""
        return self._size_bytes > FULL_BYTES

    def take_in(self, data: bytes) -> None:
        """Take what the socket gave."""
        if len(data) <= SMALL_BYTES and not self.is_unread:
            self.calls.extend(self._codec.feed(data))
        else:
            self._chunks.append(data)
            self._size_bytes += len(data)

    def end(self) -> None:
        """The peer sends no more."""
        self._is_ended = True

    def look(self, most: int) -> None:
        """Read on, a piece at least, until there are `most` calls or LOOK_S is over."""
        if not self.is_unread:
            return
        until_s = time.perf_counter() + LOOK_S
        while self._chunks and len(self.calls) < most:
            self.calls.extend(self._codec.feed(self._piece()))
            if time.perf_counter() > until_s:
                break
        if self._is_ended and not self._chunks:
            self._is_ended = False
            self.calls.extend(self._codec.end())

    def clear(self) -> None:
        """Nothing of it will be answered."""
        self.calls.clear()
        self._chunks.clear()
        self._offset = 0
        self._size_bytes = 0
        self._is_ended = False

    def _piece(self) -> bytes:
        chunk = self._chunks[0]
        piece = chunk[self._offset : self._offset + PIECE_BYTES]
        self._offset += len(piece)
        self._size_bytes -= len(piece)
        if self._offset == len(chunk):
            self._chunks.popleft()
            self._offset = 0
        return piece
