"""Single flight: who shares a run with whom."""

import asyncio

import pytest

from promptd.daemon.single_flight import SingleFlight
from tests.conftest import Until
from tests.server.peers import Tasks


class Work:
    """Work whose runs end when the test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self.problem: Exception | None = None

    async def __call__(self) -> int:
        """One run: its number."""
        self.begun += 1
        number = self.begun
        await self.go_on.wait()
        if self.problem is not None:
            raise self.problem
        return number


async def test_those_who_ask_together_share_a_run() -> None:
    """One run for everyone who came before it began."""
    work, tasks = Work(), Tasks()
    runs = SingleFlight(work, tasks.spawn)
    work.go_on.set()
    assert await asyncio.gather(*(runs.join() for _ in range(50))) == [1] * 50
    assert await runs.join() == 2
    await tasks.done()
    assert "idle" in repr(runs)


async def test_who_comes_during_a_run_waits_for_the_next(until: Until) -> None:
    """An answer rests on work that began after its question: one run more, shared again."""
    work, tasks = Work(), Tasks()
    runs = SingleFlight(work, tasks.spawn)
    first = asyncio.create_task(runs.join())
    await until(lambda: work.begun)
    late = [asyncio.create_task(runs.join()) for _ in range(50)]
    await asyncio.sleep(0)
    work.go_on.set()
    assert await first == 1
    assert await asyncio.gather(*late) == [2] * 50


async def test_every_caller_gets_a_failure_and_the_next_run_is_another() -> None:
    """The work's exception reaches all who asked, also when some have gone."""
    work, tasks = Work(), Tasks()
    runs = SingleFlight(work, tasks.spawn)
    work.problem = LookupError("once")
    asked = [asyncio.create_task(runs.join()) for _ in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()
    work.go_on.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, LookupError, LookupError]
    work.problem = None
    assert await runs.join() == 2


async def test_a_cancelled_run_cancels_who_waits(until: Until) -> None:
    """At the end of the daemon no caller is left waiting, neither for this run nor for the next."""
    work, tasks = Work(), Tasks()
    runs = SingleFlight(work, tasks.spawn)
    first = asyncio.create_task(runs.join())
    await until(lambda: work.begun)
    second = asyncio.create_task(runs.join())
    await asyncio.sleep(0)
    tasks.all[0].cancel()
    for asked in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await asked
