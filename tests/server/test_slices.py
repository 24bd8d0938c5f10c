"""The loop's own time: one slice a turn, in the order of shares, few in the middle of their work."""

import asyncio
import time

import pytest

from promptd.errors import TooExpensive
from promptd.server.slices import SEATS, SLICE_S, Claim, Sharing
from tests.conftest import Until
from tests.server.peers import NotedPeer


class Table:
    """Slices and lanes, and claims on them."""

    def __init__(self, deadline_s: float = 60.0) -> None:
        self.sharing = Sharing(deadline_s)

    def claim(self) -> Claim:
        """The effort of one call of a client of its own."""
        return self.sharing.claim(NotedPeer())


def use_up() -> None:
    """More of the loop's time than one slice."""
    until_s = time.perf_counter() + 2 * SLICE_S
    while time.perf_counter() < until_s:
        pass


async def work(claim: Claim, seen: list[str], name: str, slices: int) -> None:
    """A procedure that takes so many slices."""
    await claim.wait(asyncio.sleep(0))
    for _ in range(slices):
        use_up()
        seen.append(name)
        await claim.pause()
    claim.leave()


async def test_a_short_one_is_done_before_a_long_one(until: Until) -> None:
    """It comes later and has had less: it goes first from then on."""
    table, seen = Table(), list[str]()
    long = asyncio.create_task(work(table.claim(), seen, "long", 20))
    await until(lambda: len(seen) >= 3)
    await work(table.claim(), seen, "short", 2)
    assert seen.count("long") < 10
    await long


async def test_few_are_in_the_middle_of_their_work(until: Until) -> None:
    """The others begin when one of them is done."""
    table, seen = Table(), list[str]()
    tasks = [asyncio.create_task(work(table.claim(), seen, str(at), 3)) for at in range(4 * SEATS)]
    await until(lambda: len(seen) >= 3 * SEATS - 1)
    assert len(set(seen)) <= SEATS + 2
    await asyncio.gather(*tasks)
    assert len(seen) == 12 * SEATS


async def test_a_call_that_uses_its_time_up_is_refused() -> None:
    """However often it pauses."""
    table, seen = Table(deadline_s=5 * SLICE_S), list[str]()
    claim = table.claim()
    with pytest.raises(TooExpensive, match=r"serve\.request_time"):
        await work(claim, seen, "long", 100)
    claim.leave()
    assert 1 < len(seen) < 10


async def test_a_pause_that_came_soon_costs_no_turn() -> None:
    """A procedure may pause as often as it likes."""
    table = Table()
    claim = table.claim()
    await claim.wait(asyncio.sleep(0))
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1

    asyncio.get_running_loop().call_soon(count)
    for _ in range(10):
        await claim.pause()
    assert turns == 0
    claim.leave()
