"""Many large reads take turns, and who had to wait looks again first."""

import asyncio

from promptd.server.reservations import Reservations
from promptd.server.shares import TimeShares
from tests.server.peers import NotedPeer


async def test_what_fits_is_given_at_once() -> None:
    """And asking for no more than one holds changes nothing."""
    held: Reservations[str] = Reservations(TimeShares(), 100)
    assert not await held.take(NotedPeer(), "a", 60)
    assert not await held.take(NotedPeer(), "b", 40)
    assert not await held.take(NotedPeer(), "a", 50)


async def test_one_may_always_read() -> None:
    """However large its files are; all others wait for it."""
    held: Reservations[str] = Reservations(TimeShares(), 100)
    assert not await held.take(NotedPeer(), "large", 1_000)
    waiting = asyncio.create_task(held.take(NotedPeer(), "small", 1))
    await asyncio.sleep(0)
    assert not waiting.done()
    held.give_back("large")
    assert await waiting


async def test_who_had_least_is_next_and_nobody_overtakes() -> None:
    """A small one that comes later waits as well: else a large one would wait for ever."""
    shares = TimeShares()
    held: Reservations[str] = Reservations(shares, 100)
    busy, idle = NotedPeer(), NotedPeer()
    shares.charge(busy, 1.0)
    await held.take(busy, "first", 90)
    order: list[str] = []

    async def wait(peer: NotedPeer, name: str, size: int) -> None:
        await held.take(peer, name, size)
        order.append(name)
        held.give_back(name)

    tasks = [asyncio.create_task(wait(busy, "busy", 50)), asyncio.create_task(wait(idle, "idle", 95))]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(wait(busy, "tiny", 5)))
    await asyncio.sleep(0)
    assert order == []
    held.give_back("first")
    await asyncio.gather(*tasks)
    assert order == ["idle", "busy", "tiny"]


async def test_who_gives_up_is_passed_over() -> None:
    """Its client has hung up; the next one gets what it would have had."""
    held: Reservations[str] = Reservations(TimeShares(), 100)
    await held.take(NotedPeer(), "first", 100)
    lost = asyncio.create_task(held.take(NotedPeer(), "lost", 100))
    await asyncio.sleep(0)
    kept = asyncio.create_task(held.take(NotedPeer(), "kept", 100))
    await asyncio.sleep(0)
    lost.cancel()
    held.give_back("first")
    assert await kept
