"""Maintenance: what keeps one workspace current, warm and saved while requests are answered.

Composition of the follower (file events), the rescans (timer), the warmer and the saved state, with the two
loops that run at an interval. Every loop survives any one failure: it is logged, counted and tried again.
"""

import asyncio
import time
from dataclasses import dataclass

from promptd.core.library.library import Delta
from promptd.core.library.parse_cache import ParseCache
from promptd.daemon.follow import Follower
from promptd.daemon.missed_events import EXPLAINED_S, MissedEvents
from promptd.daemon.rescan import Rescans
from promptd.daemon.state.saved import SavedState
from promptd.daemon.tasks import Failures
from promptd.daemon.warm import Warmer
from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.protocol.request import Request
from promptd.support.locks import StateLock
from promptd.support.stats import Distribution, Histogram
from promptd.support.tasks import Spawn


@dataclass(frozen=True, slots=True)
class MaintenanceStatistics:
    """Batches followed, rescans, changes no event explained, prompts re-warmed, and how long that took."""

    batches: int
    rescans: int
    missed_events_total: int
    rewarmed: int
    failures: int
    change_to_warm_ms: Distribution


class Maintenance:
    """The parts that look after the current workspace; `lock` is the lock on the state directory."""

    def __init__(
        self, current: Current, lock: StateLock, spawn: Spawn, *, explained_s: float = EXPLAINED_S
    ) -> None:
        self._current = current
        self.failures = Failures()
        self.rescans = Rescans(current, spawn)
        missed = MissedEvents(time.monotonic, explained_s)
        self.follower = Follower(current, self.rescans, spawn, self.failures, missed)
        self.warmer = Warmer(current, spawn, self.failures)
        self.saved = SavedState(current, lock)

    def __repr__(self) -> str:
        return f"<Maintenance {self.follower!r} {self.warmer!r}>"

    def begin(self, index: ParseCache | None = None) -> None:
        """The library has been read: apply batches from now on. `index` is what it was recalled from."""
        if index is not None:
            self.saved.note_recalled(index)
        self.follower.begin()

    def changed(self, delta: Delta, dropped: tuple[Request, ...]) -> None:
        """Observe a change, whichever way it was found: was there an event, and what has to be warm again?"""
        self.follower.suspect(delta)
        self.warmer.changed(dropped, self.follower.began_s(delta))

    async def take_over_from(self, former: Workspace) -> None:
        """The current workspace has replaced this one: find what changed meanwhile, and make it as warm."""
        self.warmer.warm_soon(request for request, _ in former.prompts.items())
        await self.rescans.rescan(self._current.workspace)
        self.follower.missed.explain(lambda _: True)  # the events of what it found went to the former one

    async def rescan_every(self, interval_s: float) -> None:
        """Compare with the disk, on a timer."""
        while True:
            await asyncio.sleep(interval_s)
            await self.failures.survive("rescan", self.rescans.rescan(self._current.workspace))

    async def save_every(self, interval_s: float) -> None:
        """Count uses towards the hot set, save the counts, and warm the hot set, on a timer."""
        while True:
            await asyncio.sleep(interval_s)
            await self.failures.survive("save", self.saved.save())
            await self.warmer.warm_hot_set()

    def statistics(self) -> MaintenanceStatistics:
        """A frozen record of the counts."""
        return MaintenanceStatistics(
            self.follower.batches,
            self.rescans.done,
            self.follower.missed.total,
            self.warmer.rewarmed,
            self.failures.total,
            self.warmer.change_to_warm_ms.statistics(),
        )

    def histograms(self) -> dict[str, Histogram]:
        """What grows here; only to be copied."""
        return {"change_to_warm_ms": self.warmer.change_to_warm_ms}
