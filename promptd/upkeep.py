"""Upkeep: what the daemon does between requests, so that the next request finds everything hot.

Following the watcher's batches, reconciling on a timer, assembling again the prompts a change made
untrue, pinning and pre-loading the hot set, and keeping its use counts in the state directory. None of it
is needed for a right answer (freshness is checked on every request); all of it makes answers fast. Each
loop survives any one failure: it is logged, counted and tried again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from promptd import flows, log
from promptd.atomic import write_atomic
from promptd.config.schema import WatchConfig
from promptd.engine.library import Delta
from promptd.engine.request import Request
from promptd.errors import PromptdError
from promptd.files import Sweep
from promptd.keeper import Keeper
from promptd.stats import Distribution, Histogram
from promptd.watch.changes import Batch
from promptd.watch.watcher import Timing, Watcher, WatcherStatistics

MAX_REWARMED = 256  # prompts assembled again after one change; the rest wait for their next request
EXPLAINED_S = 2.0  # a change younger than this may still be on its way through the watcher
HOT_SCHEMA = 1

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
_log = log.get_logger("promptd.upkeep")


@dataclass(frozen=True, slots=True)
class UpkeepStatistics:
    """Batches followed, reconciles, changes no event explained, prompts re-warmed, and how long that took."""

    batches: int
    reconciles: int
    missed_events_total: int
    rewarmed: int
    failures: int
    change_to_warm_ms: Distribution


class _HotFile(msgspec.Struct):
    schema_version: int
    saved_unix_s: float
    weights: dict[str, float]


class Upkeep:
    """The loops around one keeper; `keeper` may be exchanged by a reload."""

    def __init__(self, keeper: Keeper, state: Path | None, spawn: Spawn) -> None:
        self.keeper = keeper
        self._state = state
        self._spawn = spawn
        self._watching: asyncio.Task[None] | None = None
        self._watcher: Watcher | None = None
        self._is_filled = asyncio.Event()
        self._due: dict[Request, None] = {}
        self._is_warming = False
        self._changed_at_s: float | None = None
        self._change_to_warm_ms = Histogram()
        self._batches = self._reconciles = self._missed = self._rewarmed = self._failures = 0

    def __repr__(self) -> str:
        return f"<Upkeep {self._batches} batches, {self._rewarmed} re-warmed>"

    # -- watching -----------------------------------------------------------------------------

    async def watch(self, watch: WatchConfig) -> None:
        """(Re)start watching the keeper's roots; returns when the watches are in place."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._watching = self._watcher = None
        if watch.enabled:
            in_place = asyncio.Event()
            self._watching = self._spawn(self._follow(watch, in_place))
            await in_place.wait()

    def begin(self) -> None:
        """The library has been read: apply batches from now on."""
        self._is_filled.set()

    async def _follow(self, watch: WatchConfig, in_place: asyncio.Event) -> None:
        timing = Timing(step_ms=watch.step_ms, settle_ms=watch.settle_ms, max_settle_ms=watch.max_settle_ms)
        files = self.keeper.files
        watcher = Watcher(files.roots, lambda: files.scan().directories, self._is_ignored, timing)
        async with watcher:
            self._watcher = watcher
            in_place.set()
            await self._is_filled.wait()
            async for batch in watcher:
                await self._survive("batch", self._apply(batch))

    def _is_ignored(self, path: str) -> bool:
        """Ignored names are nobody's business, but `..data` is how Kubernetes swaps a whole volume."""
        place = self.keeper.files.place(path)
        if place is None or place.id.rpartition("/")[2].startswith(".."):
            return False
        return self.keeper.library.names.is_ignored(place.id)

    def watcher_statistics(self) -> WatcherStatistics | dict[str, str]:
        """The watcher's record; its mode alone if there is none."""
        return self._watcher.statistics() if self._watcher else {"mode": "off"}

    # -- loops --------------------------------------------------------------------------------

    async def reconcile_every(self, interval_s: float) -> None:
        """Compare with the disk on a timer."""
        while True:
            await asyncio.sleep(interval_s)
            await self._survive("reconcile", self.reconcile())

    async def keep_every(self, interval_s: float) -> None:
        """Count uses towards the hot set and keep them on disk, on a timer."""
        while True:
            await asyncio.sleep(interval_s)
            await self._survive("keep", self.keep())

    async def _survive(self, what: str, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception as problem:
            self._failures += 1
            _log.exception("upkeep failed", what=what, error=repr(problem))

    # -- changes ------------------------------------------------------------------------------

    async def _apply(self, batch: Batch) -> None:
        started = time.monotonic()
        self._batches += 1
        self._changed_at_s = batch.first_event_monotonic_s
        keeper = self.keeper
        if batch.full or batch.directories:
            found = await flows.drive(keeper, flows.reconcile(keeper))
        else:
            found = await flows.drive(keeper, flows.follow(keeper, batch.paths))
        if found:
            _log.info(
                "batch",
                added=found.added,
                changed=found.changed,
                removed=found.removed,
                revision=found.revision,
                paths=len(batch.paths),
                full=batch.full,
                ms=round(1000 * (time.monotonic() - started), 1),
            )

    async def reconcile(self) -> flows.Reconciled:
        """Scan and apply; differences older than any event could be late count as missed events."""
        before = time.time()
        known = self.keeper.library.revision
        found = await flows.drive(self.keeper, flows.reconcile(self.keeper))
        self._reconciles += 1
        if found and found.revision != known:
            missed = self._unexplained(found, before) if self._watcher else 0
            self._missed += missed
            _log.info(
                "reconcile", added=found.added, changed=found.changed, removed=found.removed, missed=missed
            )
        return found

    def _unexplained(self, found: flows.Reconciled, before_s: float) -> int:
        limit_ns = int((before_s - EXPLAINED_S) * 1e9)
        touched = [self.keeper.library.get(id) for id in found.ids]
        late = [item for item in touched if item and item.signature and item.signature.ctime_ns >= limit_ns]
        return len(found.ids) - len(late)

    def changed(self, delta: Delta, dropped: tuple[Request, ...]) -> None:
        """Observe a change: see to it that what it made untrue is warm again."""
        self._due |= dict.fromkeys(dropped)
        if not self._is_warming:
            self._is_warming = True
            self._spawn(self._warm_again())

    async def _warm_again(self) -> None:
        try:
            await self._survive("warm", flows.drive(self.keeper, flows.warm(self.keeper)))
            for _ in range(MAX_REWARMED):
                if not self._due:
                    break
                await self._survive("warm", self._assemble(self._due.popitem()[0]))
            self._due.clear()
            if self._changed_at_s is not None:
                self._change_to_warm_ms.record(int(1000 * (time.monotonic() - self._changed_at_s)))
        finally:
            self._changed_at_s = None
            self._is_warming = False

    async def _assemble(self, request: Request) -> None:
        try:
            await flows.drive(self.keeper, flows.assemble(self.keeper, request, Sweep(self.keeper.files)))
            self._rewarmed += 1
        except PromptdError as error:
            _log.debug("prompt no longer assembles", names=request.names, error=error.type)
        await asyncio.sleep(0)  # requests go first

    # -- the hot set --------------------------------------------------------------------------

    async def keep(self) -> None:
        """Fold uses into the hot set, pin it, pre-load it, and write the use counts down."""
        now_s = time.time()
        self.keeper.fold_uses(now_s)
        await flows.drive(self.keeper, flows.warm(self.keeper))
        if self._state is not None:
            kept = _HotFile(HOT_SCHEMA, now_s, self.keeper.hot.weights(now_s))
            await asyncio.to_thread(write_atomic, self._state / "hot.json", msgspec.json.encode(kept))

    def restore(self) -> None:
        """Take back the use counts of the last run; a missing or damaged file means starting afresh."""
        if self._state is None:
            return
        try:
            kept = msgspec.json.decode((self._state / "hot.json").read_bytes(), type=_HotFile)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as problem:
            _log.warning("use counts cannot be read, starting afresh", error=str(problem))
            return
        if kept.schema_version == HOT_SCHEMA:
            self.keeper.hot.restore(kept.weights, time.time() - kept.saved_unix_s)

    def statistics(self) -> UpkeepStatistics:
        """A frozen record of the counts."""
        return UpkeepStatistics(
            self._batches,
            self._reconciles,
            self._missed,
            self._rewarmed,
            self._failures,
            self._change_to_warm_ms.statistics(),
        )
