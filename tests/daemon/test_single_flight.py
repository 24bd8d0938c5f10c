"""Rounds: who shares with whom."""

import asyncio

import pytest

from promptd.daemon.single_flight import SingleFlight
from tests.conftest import Until
from tests.server.peers import Tasks


class Work:
    """Work whose rounds end when the test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self.problem: Exception | None = None

    async def __call__(self) -> int:
        """One round: its number."""
        self.begun += 1
        number = self.begun
        await self.go_on.wait()
        if self.problem is not None:
            raise self.problem
        return number


async def test_those_who_ask_together_share_a_round() -> None:
    """One round for everyone who came before it began."""
    work, tasks = Work(), Tasks()
    rounds = SingleFlight(work, tasks.spawn)
    work.go_on.set()
    assert await asyncio.gather(*(rounds.join() for _ in range(50))) == [1] * 50
    assert await rounds.join() == 2
    await tasks.done()
    assert "idle" in repr(rounds)


async def test_who_comes_during_a_round_waits_for_the_next(until: Until) -> None:
    """An answer rests on work that began after its question: one round more, shared again."""
    work, tasks = Work(), Tasks()
    rounds = SingleFlight(work, tasks.spawn)
    first = asyncio.create_task(rounds.join())
    await until(lambda: work.begun)
    late = [asyncio.create_task(rounds.join()) for _ in range(50)]
    await asyncio.sleep(0)
    work.go_on.set()
    assert await first == 1
    assert await asyncio.gather(*late) == [2] * 50


async def test_everyone_hears_of_a_failure_and_the_next_round_is_another() -> None:
    """The work's exception reaches all who asked, also when some have gone."""
    work, tasks = Work(), Tasks()
    rounds = SingleFlight(work, tasks.spawn)
    work.problem = LookupError("once")
    asked = [asyncio.create_task(rounds.join()) for _ in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()
    work.go_on.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, LookupError, LookupError]
    work.problem = None
    assert await rounds.join() == 2


async def test_a_cancelled_round_cancels_who_waits(until: Until) -> None:
    """At the end of the daemon nobody is left waiting, neither for this round nor for the next."""
    work, tasks = Work(), Tasks()
    rounds = SingleFlight(work, tasks.spawn)
    first = asyncio.create_task(rounds.join())
    await until(lambda: work.begun)
    second = asyncio.create_task(rounds.join())
    await asyncio.sleep(0)
    tasks.all[0].cancel()
    for asked in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await asked
