"""Who has had how much of the daemon's time lately: if not all can be served at once, who had least is next.

Seconds of work are counted for each user and each connection, and count half after HALF_LIFE_S: the policy
of least attained service (Kleinrock 1976), which needs no estimate of what a request will cost. A client
that floods the daemon waits behind its own flood; one that asks now and then never does.
"""

import time
from collections.abc import Callable

from promptd.protocol.peers import Peer

HALF_LIFE_S = 2.0
_WORTH_COUNTING_S = 50e-6  # what is answered from memory takes less, and is not worth the arithmetic
_MAX_WEIGHT = 2.0**60

Rank = tuple[float, float]


class TimeShares:
    """Seconds attained by user and by connection. Newer seconds weigh more, rather than older ones less."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._epoch_s = clock()
        self._users: dict[int, float] = {}
        self._peers: dict[Peer, float] = {}

    def __repr__(self) -> str:
        return f"<TimeShares of {len(self._users)} users, {len(self._peers)} connections>"

    def charge(self, peer: Peer, seconds: float) -> None:
        """Count work that was done for a connection."""
        if seconds < _WORTH_COUNTING_S or peer.is_closed:
            return
        worth = seconds * self._weight()
        self._users[peer.uid] = self._users.get(peer.uid, 0.0) + worth
        self._peers[peer] = self._peers.get(peer, 0.0) + worth

    def rank(self, peer: Peer) -> Rank:
        """Lower is to be served first: by user, then by connection."""
        return self._users.get(peer.uid, 0.0), self._peers.get(peer, 0.0)

    def forget(self, peer: Peer) -> None:
        """A connection is gone; what its user has had stays counted, or reconnecting would clear it."""
        self._peers.pop(peer, None)

    def _weight(self) -> float:
        weight: float = 2.0 ** ((self._clock() - self._epoch_s) / HALF_LIFE_S)
        if weight > _MAX_WEIGHT:
            self._epoch_s = self._clock()
            self._users = {uid: worth / weight for uid, worth in self._users.items() if worth > 1e-6}
            self._peers = {peer: worth / weight for peer, worth in self._peers.items()}
            return 1.0
        return weight
