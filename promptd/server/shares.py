"""Who has had how much of the daemon's time lately: if not all can be served at once, who had least is next.

Seconds of work are counted for each user and each connection, and count half after HALF_LIFE_S: the policy
of least attained service (Kleinrock 1976), which needs no estimate of what a request will cost. A client
that floods the daemon waits behind its own flood; one that asks now and then never does.
"""

import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from promptd.protocol.peers import Peer

HALF_LIFE_S = 2.0
WORTH_COUNTING_S = 50e-6  # what is answered from memory takes less, and is not worth the arithmetic
_MAX_WEIGHT = 2.0**60

Rank = tuple[float, float]
Waiter = TypeVar("Waiter")


class Meter:
    """Processor time of the thread that asks, in seconds since it asked last.

    What others do meanwhile, with the processor or the interpreter lock, is not counted against a client.
    """

    __slots__ = ("_since_s",)

    def __init__(self) -> None:
        self._since_s = time.thread_time()

    def __repr__(self) -> str:
        return f"<Meter since {self._since_s:.6f}>"

    def used_s(self) -> float:
        """The time since the last call, or since it was made."""
        since_s, self._since_s = self._since_s, time.thread_time()
        return self._since_s - since_s


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
        if seconds < WORTH_COUNTING_S or peer.is_closed:
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


class Queues(Generic[Waiter]):
    """What waits, in a queue for each connection: next is the first of whoever had least by then.

    The cost of choosing grows with the connections that wait and not with how much they wait for.
    """

    def __init__(self, shares: TimeShares) -> None:
        self._shares = shares
        self._queues: dict[Peer, dict[Waiter, None]] = {}

    def __repr__(self) -> str:
        return f"<Queues, {len(self)} waiting of {len(self._queues)} connections>"

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __iter__(self) -> Iterator[Waiter]:
        return (item for queue in self._queues.values() for item in queue)

    def put(self, peer: Peer, item: Waiter) -> None:
        """Let something wait for a connection, behind what it waits for already."""
        self._queues.setdefault(peer, {})[item] = None

    def next(self) -> tuple[Peer, Waiter]:
        """What is next, and for whom. Raises ValueError if nothing waits."""
        peer = min(self._queues, key=self._shares.rank)
        return peer, next(iter(self._queues[peer]))

    def take(self) -> Waiter:
        """Take what is next. Raises ValueError if nothing waits."""
        peer, item = self.next()
        self.discard(peer, item)
        return item

    def discard(self, peer: Peer, item: Waiter) -> bool:
        """Wait for this no longer; False if it was not waiting."""
        queue = self._queues.get(peer, {})
        if item not in queue:
            return False
        del queue[item]
        if not queue:
            del self._queues[peer]
        return True

    def clear(self) -> None:
        """Wait for nothing."""
        self._queues.clear()
