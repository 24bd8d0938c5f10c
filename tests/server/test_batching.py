"""Which calls come first when not all can be answered in one turn of the event loop."""

import asyncio
from collections.abc import Sequence
from math import inf

from promptd.protocol.calls import Call
from promptd.protocol.peers import Peer
from promptd.server.batching import Batching
from promptd.server.shares import TimeShares
from tests.conftest import Until
from tests.server.peers import NotedPeer, call_of


class OneATurn:
    """A handler that has time for one call a turn; it keeps whose."""

    def __init__(self) -> None:
        self.served: list[Peer] = []

    def turn(self, batch: Sequence[tuple[Peer, Call]], until_s: float = inf) -> int:
        """Answer the first."""
        self.served.append(batch[0][0])
        return 1

    def closed(self, peer: Peer) -> None:
        """Nothing is kept for it."""


async def test_who_asks_now_and_then_waits_for_one_round(until: Until) -> None:
    """However much others have waiting, and however much it has had before them."""
    handler, shares = OneATurn(), TimeShares()
    batching = Batching(asyncio.get_running_loop(), handler, shares)
    innocent, flooders = NotedPeer(), [NotedPeer() for _ in range(3)]
    shares.charge(innocent, 1.0)
    for flooder in flooders:
        for number in range(10):
            batching.call(flooder, call_of("ping", number))
    await until(lambda: len(handler.served) >= 4)
    batching.call(innocent, call_of("ping"))
    before = len(handler.served)
    await until(lambda: innocent in handler.served)
    assert handler.served.index(innocent) - before <= len(flooders)
    await until(lambda: len(handler.served) == 31)


async def test_calls_of_a_closed_connection_are_let_go_of(until: Until) -> None:
    """They are not handed over any more, and nobody waits for them."""
    handler = OneATurn()
    batching = Batching(asyncio.get_running_loop(), handler)
    gone, other = NotedPeer(), NotedPeer()
    for number in range(5):
        batching.call(gone, call_of("ping", number))
    batching.call(other, call_of("ping"))
    gone.is_closed = True  # before the second turn
    await until(lambda: other in handler.served)
    assert handler.served == [gone, other]
