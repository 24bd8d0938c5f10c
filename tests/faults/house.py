"""A keeper and its upkeep in this process, over a real library and the real watcher: what a daemon keeps hot.

`ask` is a request, answered by the daemon's own decisions. `warm` waits until the prompt is held ready with a
text in it although nobody asked: the only work is that of the watcher, the reconcile and the warming.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from promptd import flows
from promptd.config.schema import WatchConfig
from promptd.engine.request import request_of
from promptd.files import Sweep
from promptd.upkeep import Upkeep
from promptd.upkeep.missed import EXPLAINED_S
from promptd.watch.watcher import WatcherStatistics
from tests.daemon.kept import keeper_of

HELLO = request_of(("hello",))
WARM_S = 10.0  # what is told by an event takes 50 ms, what a round finds 300; a busy machine takes its time


class House:
    """A library at `root` in which `hello.md` includes other files."""

    def __init__(self, root: Path, watch: WatchConfig, explained_s: float) -> None:
        self.root = root
        self.keeper = keeper_of(root)
        self.watch_settings = watch
        self.upkeep = Upkeep(self.keeper, None, self.spawn, explained_s=explained_s)
        self.keeper.observers.append(self.upkeep.changed)
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the rest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def open(self) -> None:
        """Watch, reconcile on a timer, and ask once, so that there is something to keep warm."""
        await self.upkeep.watch(self.watch_settings)
        self.upkeep.begin()
        self.spawn(self.upkeep.reconcile_every(self.watch_settings.reconcile_s))
        await self.until(lambda: self.upkeep.statistics().batches >= 1)
        await self.ask()

    async def close(self) -> None:
        """End everything."""
        await self.upkeep.watch(WatchConfig(enabled=False))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.keeper.close)

    async def ask(self) -> str:
        """The answer to a request of this moment."""
        flow = flows.assemble(self.keeper, HELLO, Sweep(self.keeper.files))
        return (await flows.drive(self.keeper, flow)).text

    async def rest(self) -> None:
        """Wait until nothing is being warmed: what is warm later has not been read by then."""
        await self.until(lambda: not self.upkeep._is_warming)

    async def warm(self, text: str, within_s: float = WARM_S) -> None:
        """Wait until the prompt is held ready with `text` in it; nobody asks."""

        def is_warm() -> bool:
            prompt = self.keeper.prompts.peek(HELLO)
            return prompt is not None and text in prompt.text

        await self.until(is_warm, within_s)

    async def until(self, condition: Callable[[], object], within_s: float = WARM_S) -> None:
        """Wait until a condition is truthy."""
        await until(condition, within_s, lambda: f"{self.watcher}")

    @property
    def watcher(self) -> WatcherStatistics:
        """What the watcher counts."""
        statistics = self.upkeep.watcher_statistics()
        assert isinstance(statistics, WatcherStatistics)
        return statistics

    @property
    def missed(self) -> int:
        """Changes that no event explained."""
        return self.upkeep.statistics().missed_events_total


async def until(
    condition: Callable[[], object], within_s: float = WARM_S, state: Callable[[], str] = str
) -> None:
    """Wait until a condition is truthy, or fail with the `state`."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {within_s} s {state()}"
        await asyncio.sleep(0.002)


QUICK = WatchConfig(step_ms=5, settle_ms=10, reconcile_s=3_600, scan_s=0.3)
SOON_S = 0.3  # after which a change that no event explained is missed, where there surely is none


@asynccontextmanager
async def a_house(
    root: Path, watch: WatchConfig = QUICK, explained_s: float = EXPLAINED_S
) -> AsyncIterator[House]:
    """An open house; by default the reconcile timer is too slow to find anything by chance."""
    house = await asyncio.to_thread(House, root, watch, explained_s)
    try:
        await house.open()
        yield house
    finally:
        await house.close()


async def shows(house: House, act: Callable[[str], object], within_s: float = WARM_S) -> None:
    """Whatever `act` does with a text: a request sees it at once, and the next time it is warm unasked."""
    await asyncio.to_thread(act, "first text\n")
    assert "first text" in await house.ask()
    await house.rest()
    await asyncio.to_thread(act, "second text\n")
    await house.warm("second text", within_s)
    await asyncio.to_thread(act, "third text\n")
    await house.warm("third text", within_s)
    assert "third text" in await house.ask()
