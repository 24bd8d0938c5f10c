"""What waits to be written to one connection, and how it is handed to the transport.

Replies are collected until the end of a turn of the event loop and go out in one write. Only whole frames are
handed over, so only an abort (of a peer that does not read) can cut one.
"""

import asyncio
import sys

from promptd.errors import Busy
from promptd.server.unread import Unread

_GATHERED_BYTES = 32_768  # from here on pieces are handed on by reference rather than joined

# CPython's own writelines joins (3.11) or forgets to pause a fast writer (3.12.0 to 3.13.1, CVE-2024-12254).
_HAS_GOOD_WRITELINES = sys.version_info >= (3, 13, 2)


class Outbox:
    """The unwritten pieces of one connection; `is_congested` while the peer does not read.

    `unread_bytes` of replies wait for the peer, as all connections of its user know; `largest_bytes` had the
    largest reply so far.
    """

    __slots__ = (
        "_can_gather",
        "_uid",
        "_unread",
        "_written_bytes",
        "is_congested",
        "largest_bytes",
        "pieces",
        "unread_bytes",
    )

    def __init__(self, unread: Unread, uid: int) -> None:
        self.pieces: list[bytes] = []
        self.is_congested = False
        self.unread_bytes = 0
        self.largest_bytes = 0
        self._unread = unread
        self._uid = uid
        self._can_gather = False
        self._written_bytes = 0

    def __repr__(self) -> str:
        state = ", congested" if self.is_congested else ""
        return f"<Outbox {len(self.pieces)} pieces, {self._written_bytes} bytes written{state}>"

    def open(self, transport: asyncio.Transport, high_water_bytes: int) -> None:
        """Prepare for a transport, which reports congestion from `high_water_bytes` unsent bytes on."""
        self._can_gather = _HAS_GOOD_WRITELINES or type(transport).__module__.startswith("uvloop")
        transport.set_write_buffer_limits(high=high_water_bytes)

    def write_to(self, transport: asyncio.Transport) -> int:
        """Hand over all pieces in one write; returns their size in bytes."""
        pieces, self.pieces = self.pieces, []
        if self._can_gather and (size := sum(map(len, pieces))) > _GATHERED_BYTES and len(pieces) > 1:
            transport.writelines(pieces)
        else:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            size = len(data)
            transport.write(data)
        self._written_bytes += size
        return size

    def sent_bytes(self, unsent_bytes: int) -> int:
        """How much of what was written has left the process; grows as long as the peer reads."""
        return self._written_bytes - unsent_bytes

    def objection(self, size_bytes: int) -> Busy | None:
        """Why a reply of this size is not sent, or None."""
        return self._unread.objection(self._uid, size_bytes, self.unread_bytes)

    def count_unread(self, unsent_bytes: int) -> None:
        """Tell the user's other connections how much waits here, and, `unsent_bytes`, in the transport."""
        self._count(sum(map(len, self.pieces)) + unsent_bytes)

    def forget_unread(self) -> None:
        """The connection is closed: nothing here waits any longer."""
        self._count(0)

    def _count(self, unread_bytes: int) -> None:
        self._unread.add(self._uid, unread_bytes - self.unread_bytes)
        self.unread_bytes = unread_bytes
