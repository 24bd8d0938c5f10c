"""Unread: how many bytes of replies each user has been sent and has not read; they live in our memory.

A user's connections share one allowance (`serve.client_memory`). Above it replies become Busy, but for small
ones, so that a client beside one that does not read can still ask how things are, and but for one reply of a
connection that reads all it gets.
"""

from promptd.errors import Busy

SMALL_BYTES = 65_536  # a reply that is always sent


class Unread:
    """Bytes by user; one for each listener."""

    def __init__(self, allowance_bytes: int) -> None:
        self.allowance_bytes = allowance_bytes
        self._users: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<Unread {sum(self._users.values())} bytes of {len(self._users)} users>"

    def add(self, uid: int, change_bytes: int) -> None:
        """More bytes wait for a user, or, if negative, fewer."""
        total = self._users.get(uid, 0) + change_bytes
        if total > 0:
            self._users[uid] = total
        else:
            self._users.pop(uid, None)

    def objection(self, uid: int, size_bytes: int, own_bytes: int) -> Busy | None:
        """Why a reply is not sent to a connection that has `own_bytes` unread, or None."""
        allowed = self.allowance_bytes if own_bytes else 2 * self.allowance_bytes
        if size_bytes <= SMALL_BYTES or self._users.get(uid, 0) + size_bytes <= allowed:
            return None
        return Busy(
            f"user {uid} has more than {self.allowance_bytes} bytes of replies that nobody has read"
            " (serve.client_memory): read them, then ask again",
            limit="serve.client_memory",
            max_bytes=self.allowance_bytes,
        )
