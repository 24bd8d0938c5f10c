"""A workspace and its maintenance in this process, over a real library and a real watcher.

`ask` is a request, answered by the daemon's own decisions. `warm` waits until the prompt is held ready with a
text in it without a request: the only work is that of the watcher, the rescan and the warming.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from promptd.config.schema import WatchConfig
from promptd.daemon.maintenance import Maintenance
from promptd.daemon.missed_events import EXPLAINED_S
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.protocol.request import request_of
from promptd.support.locks import StateLock
from promptd.watch.watcher import WatcherStatistics
from tests.daemon.workspaces import workspace_of

HELLO = request_of(("hello",))
WARM_S = (
    10.0  # what is reported by an event takes 50 ms, what a rescan finds 300; a busy machine takes its time
)


class Service:
    """A library at `root` in which `hello.md` includes other files."""

    def __init__(self, root: Path, watch: WatchConfig, explained_s: float) -> None:
        self.root = root
        self.workspace = workspace_of(root)
        self.watch_settings = watch
        lock = StateLock(root.parent / "state")  # nothing is saved there
        self.maintenance = Maintenance(Current(self.workspace), lock, self.spawn, explained_s=explained_s)
        self.workspace.observers.append(self.maintenance.changed)
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the rest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def open(self) -> None:
        """Watch, rescan on a timer, and ask once, so that there is something to keep warm."""
        await self.maintenance.follower.watch(self.watch_settings)
        self.maintenance.begin()
        self.spawn(self.maintenance.rescan_every(self.watch_settings.rescan_interval))
        await self.until(lambda: self.maintenance.statistics().batches >= 1)
        await self.ask()

    async def close(self) -> None:
        """End everything."""
        await self.maintenance.follower.watch(WatchConfig(enabled=False))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.workspace.close)

    async def ask(self) -> str:
        """The answer to a request of this moment."""
        procedure = procedures.assemble(self.workspace, HELLO, self.workspace.source.check())
        return (await procedures.drive(self.workspace, procedure)).text

    async def rest(self) -> None:
        """Wait until nothing is being warmed: what is warm later has not been read by then."""
        await self.until(lambda: not self.maintenance.warmer.is_running)

    async def warm(self, text: str, within_s: float = WARM_S) -> None:
        """Wait until the cached prompt contains `text`; without a request."""

        def is_warm() -> bool:
            cached = self.workspace.prompts.peek(HELLO)
            return cached is not None and text in cached.prompt.text

        await self.until(is_warm, within_s)

    async def until(self, condition: Callable[[], object], within_s: float = WARM_S) -> None:
        """Wait until a condition is truthy."""
        await until(condition, within_s, lambda: f"{self.watcher}")

    @property
    def watcher(self) -> WatcherStatistics:
        """What the watcher counts."""
        statistics = self.maintenance.follower.statistics()
        assert isinstance(statistics, WatcherStatistics)
        return statistics

    @property
    def missed(self) -> int:
        """Changes that no event explained."""
        return self.maintenance.statistics().missed_events_total


async def until(
    condition: Callable[[], object], within_s: float = WARM_S, state: Callable[[], str] = str
) -> None:
    """Wait until a condition is truthy, or fail with the `state`."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {within_s} s {state()}"
        await asyncio.sleep(0.002)


QUICK = WatchConfig(poll_interval=5, debounce=10, rescan_interval=3_600, fallback_scan_interval=0.3)
SOON_S = 0.3  # after which a change that no event explained is missed, where there surely is none


@asynccontextmanager
async def running(
    root: Path, watch: WatchConfig = QUICK, explained_s: float = EXPLAINED_S
) -> AsyncIterator[Service]:
    """A started service; by default the rescan interval is too long to find anything by chance."""
    service = await asyncio.to_thread(Service, root, watch, explained_s)
    try:
        await service.open()
        yield service
    finally:
        await service.close()


async def shows(service: Service, act: Callable[[str], object], within_s: float = WARM_S) -> None:
    """Whatever `act` does with a text: a request sees it at once, and the next time it is warm unasked."""
    await asyncio.to_thread(act, "first text\n")
    assert "first text" in await service.ask()
    await service.rest()
    await asyncio.to_thread(act, "second text\n")
    await service.warm("second text", within_s)
    await asyncio.to_thread(act, "third text\n")
    await service.warm("third text", within_s)
    assert "third text" in await service.ask()
