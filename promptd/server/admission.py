"""Who may connect, and how many at once: decided from credentials and counts, without a socket.

The functions that ask the kernel are `credentials_of` and `connection_limit`.
"""

import resource
import socket
import struct
from collections import Counter
from collections.abc import Collection, Mapping
from types import MappingProxyType

from promptd.errors import Busy, InvalidRequest, PromptdError
from promptd.server.peer import Limits

# Descriptors that connections may not use up, or the daemon could accept them all and read nothing: about 20
# of a daemon at rest, one for each loading thread, those of rejected.py, and a few.
RESERVED_DESCRIPTORS = 40
_MIN_CONNECTIONS = 4  # whatever the limit of descriptors, a daemon that runs can be asked

_UCRED = struct.Struct("3i")  # pid, uid, gid: SO_PEERCRED in unix(7)


def credentials_of(sock: socket.socket) -> tuple[int, int]:
    """Process id and user id of the client, as of the moment it connected.

    In a user namespace (PrivateUsers=yes) every foreign user appears as 65534.
    """
    pid, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return pid, uid


def connection_limit(limits: Limits) -> int:
    """`max_connections`, or fewer where the process may not have that many descriptors (RLIMIT_NOFILE)."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(limits.max_connections, max(descriptors - RESERVED_DESCRIPTORS, _MIN_CONNECTIONS))


class Admission:
    """Counts the connections of each user and refuses those above the limits; `capacity` is for all."""

    def __init__(self, limits: Limits, allowed_uids: Collection[int]) -> None:
        self.capacity = limits.max_connections
        self._limits = limits
        self._allowed_uids = frozenset(allowed_uids)
        self._present: Counter[int] = Counter()
        self._refused: Counter[str] = Counter()
        self.accepted = 0

    def __repr__(self) -> str:
        return f"<Admission {self._present.total()} present, {self._refused.total()} refused>"

    def enter(self, uid: int) -> PromptdError | None:
        """Count one more connection of the user, or return why it is refused."""
        refusal = self._refusal(uid)
        if refusal is None:
            self._present[uid] += 1
            self.accepted += 1
            return None
        reason, error = refusal
        self._refused[reason] += 1
        return error

    def leave(self, uid: int) -> None:
        """Count one connection of the user less."""
        self._present[uid] -= 1
        if not self._present[uid]:
            del self._present[uid]

    def refused(self) -> Mapping[str, int]:
        """How many were refused, by reason."""
        return MappingProxyType(dict(sorted(self._refused.items())))

    def _refusal(self, uid: int) -> tuple[str, PromptdError] | None:
        limits = self._limits
        if uid not in self._allowed_uids:
            return "uid", InvalidRequest(
                f"user {uid} may not use this socket; serve.allow_uids names those who may", uid=uid
            )
        if self._present[uid] >= limits.max_connections_per_uid:
            count = limits.max_connections_per_uid
            return "connections_per_uid", Busy(
                f"user {uid} has {count} connections already: close one", limit="max_connections_per_uid"
            )
        if self._present.total() >= self.capacity:
            return "connections", Busy(
                f"all {self.capacity} connections are taken: try again", limit="max_connections"
            )
        return None
