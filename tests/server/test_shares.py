"""Whoever had least of the daemon's time lately is served first."""

from promptd.server.shares import HALF_LIFE_S, TimeShares
from tests.server.peers import NotedPeer


class Peer(NotedPeer):
    """A peer of some user."""

    def __init__(self, uid: int = 1) -> None:
        super().__init__()
        self.uid = uid


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Now."""
        return self.now_s


def test_who_had_less_comes_first() -> None:
    """Between connections of one user, and between users before that."""
    shares = TimeShares(Clock())
    busy, idle, other = Peer(1), Peer(1), Peer(2)
    shares.charge(busy, 1.0)
    assert shares.rank(idle) < shares.rank(busy)
    assert shares.rank(other) < shares.rank(idle)


def test_what_was_long_ago_counts_less() -> None:
    """After a half-life the same work of another weighs twice as much."""
    clock = Clock()
    shares = TimeShares(clock)
    early, late = Peer(1), Peer(2)
    shares.charge(early, 1.0)
    clock.now_s += HALF_LIFE_S
    shares.charge(late, 0.6)
    assert shares.rank(early) < shares.rank(late)


def test_weights_never_overflow() -> None:
    """Days later the order is still right."""
    clock = Clock()
    shares = TimeShares(clock)
    early, late = Peer(1), Peer(2)
    shares.charge(early, 1.0)
    for _ in range(10):
        clock.now_s += 1_000.0
        shares.charge(late, 0.1)
    assert shares.rank(early) < shares.rank(late) < (10.0, 10.0)


def test_reconnecting_clears_nothing() -> None:
    """The connection is forgotten, its user's share is not."""
    shares = TimeShares(Clock())
    gone, fresh, other = Peer(1), Peer(1), Peer(2)
    shares.charge(gone, 1.0)
    shares.forget(gone)
    assert shares.rank(other) < shares.rank(fresh)
    assert shares.rank(gone) == shares.rank(fresh)
