"""Memory for the texts that calls read: so much at the same time, so that many large reads take turns.

A call holds what it was given until it is answered, for it keeps what it read. Who had to wait looks again
first: most often another call has read the very same by then.
"""

import asyncio
from typing import Generic, TypeVar

from promptd.protocol.peers import Peer
from promptd.server.shares import Queues, TimeShares

ALLOWED_BYTES = 4_194_304  # of files; one call may have more if it is the only one

Holder = TypeVar("Holder")


class Reservations(Generic[Holder]):
    """Bytes held by calls; used from one event loop."""

    def __init__(self, shares: TimeShares, allowed_bytes: int = ALLOWED_BYTES) -> None:
        self._allowed_bytes = allowed_bytes
        self._held: dict[Holder, int] = {}
        self._waiting: Queues[Holder] = Queues(shares)
        self._asked: dict[Holder, tuple[int, asyncio.Future[None]]] = {}

    def __repr__(self) -> str:
        return f"<Reservations {sum(self._held.values())} bytes held, {len(self._waiting)} waiting>"

    async def take(self, peer: Peer, holder: Holder, size_bytes: int) -> bool:
        """Hold so many bytes, when there is room for them; True if that had to be waited for."""
        if self._held.get(holder, -1) >= size_bytes:
            return False
        if not self._waiting and self._has_room(holder, size_bytes):
            self._held[holder] = size_bytes
            return False
        granted = asyncio.get_running_loop().create_future()
        self._asked[holder] = size_bytes, granted
        self._waiting.put(peer, holder)
        try:
            await granted
        finally:
            self._waiting.discard(peer, holder)
            self._asked.pop(holder, None)
        return True

    def give_back(self, holder: Holder) -> None:
        """The call is answered, or given up."""
        if self._held.pop(holder, None) is not None:
            self._grant()

    def _has_room(self, holder: Holder, size_bytes: int) -> bool:
        others = sum(size for each, size in self._held.items() if each is not holder)
        return not others or others + size_bytes <= self._allowed_bytes

    def _grant(self) -> None:
        while self._waiting:
            peer, holder = self._waiting.next()
            size_bytes, granted = self._asked[holder]
            if not granted.done():  # else it was given up in this very turn
                if not self._has_room(holder, size_bytes):
                    return
                self._held[holder] = size_bytes
                granted.set_result(None)
            self._waiting.discard(peer, holder)
