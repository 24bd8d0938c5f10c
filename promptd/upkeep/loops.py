"""The loops around one keeper: following the watcher, reconciling, warming, keeping use counts.

Prompts that a change made untrue are assembled again, most recently used first; the hot set is pinned and
pre-loaded. Each loop survives any one failure: it is logged, counted and tried again.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from promptd import flows, log
from promptd.claim import Claim
from promptd.config.schema import WatchConfig
from promptd.engine.index import Index
from promptd.engine.library import Delta
from promptd.engine.request import Request
from promptd.errors import PromptdError
from promptd.files import Sweep
from promptd.keeper import Keeper
from promptd.stats import Distribution, Histogram
from promptd.upkeep.counts import CountsFile
from promptd.upkeep.index import AT_ONCE, IndexFile, Writing, shelves_of
from promptd.upkeep.missed import EXPLAINED_S, Missed
from promptd.upkeep.rounds import Rounds, Spawn
from promptd.upkeep.uses import UsesFile
from promptd.watch.changes import Batch
from promptd.watch.watcher import Timing, Watcher, WatcherStatistics

MAX_REWARMED = 256  # prompts assembled again after one change; the rest wait for their next request
INDEX_EVERY_S = 300.0  # writes of an index whose library changes all the time; 3 MB for 10,000 files
WATCH_AGAIN_S = 1.0  # the watcher mends itself; this is for what nobody foresaw

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


class Upkeep:
    """The loops around one keeper; a reload hands over another.

    `state` is the state directory, if any, and `claim` what was claimed of it if others write there too.
    """

    def __init__(
        self,
        keeper: Keeper,
        state: Path | None,
        spawn: Spawn,
        *,
        claim: Claim | None = None,
        explained_s: float = EXPLAINED_S,
    ) -> None:
        self.keeper = keeper
        self._uses = UsesFile(state, claim) if state is not None else None
        self._counts = CountsFile(state, claim) if state is not None else None
        self._index = IndexFile(state, claim) if state is not None else None
        self._indexed: tuple[int, Keeper] | None = None  # what the index on disk says
        self._indexed_s = -INDEX_EVERY_S
        self._spawn = spawn
        self._rounds = self._rounds_of(keeper)
        self._missed = Missed(time.monotonic, explained_s)
        self._explains_all = False  # what is found now needs no event of its own
        self._judged = 0
        self._watching: asyncio.Task[None] | None = None
        self._watcher: Watcher | None = None
        self._is_filled = asyncio.Event()
        self._is_restored = False
        self._due: dict[Request, None] = {}
        self._is_warming = False
        self._followed_s: float | None = None  # when the change that is being applied was seen
        self._changed_s: float | None = None  # when the change that is being warmed was seen
        self._change_to_warm_ms = Histogram()
        self._batches = self._reconciles = self._rewarmed = self._failures = 0

    def __repr__(self) -> str:
        return f"<Upkeep {self._batches} batches, {self._rewarmed} re-warmed>"

    def begin(self, index: Index | None = None) -> None:
        """The library has been read: apply batches from now on. `index` is what it was recalled from."""
        if index is not None and index.is_all_of(self.keeper.library):
            self._indexed = self._mark  # it would be written as it is
        self._is_filled.set()

    async def take_over(self, keeper: Keeper) -> None:
        """Look after another keeper from now on, and bring it up to what changed while it was filled."""
        former, self.keeper = self.keeper, keeper
        self._rounds = self._rounds_of(keeper)
        self._warm_soon(request for request, _ in former.prompts.items())
        await flows.drive(keeper, flows.reconcile(keeper))
        self._missed.explain(lambda _: True)  # the events of what it found went to the former keeper

    def problems(self) -> list[str]:
        """What an operator should know, one sentence each."""
        error = self._uses.last_error if self._uses else ""
        return [f"use counts are not kept: {error}"] if error else []

    def statistics(self) -> UpkeepStatistics:
        """A frozen record of the counts."""
        return UpkeepStatistics(
            self._batches,
            self._reconciles,
            self._missed.total,
            self._rewarmed,
            self._failures,
            self._change_to_warm_ms.statistics(),
        )

    def histograms(self) -> dict[str, Histogram]:
        """What grows here; only to be copied."""
        return {"change_to_warm_ms": self._change_to_warm_ms}

    async def _survive(self, what: str, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception as problem:
            self._failures += 1
            _log.exception("upkeep failed", what=what, error=repr(problem))

    # -- watching -----------------------------------------------------------------------------

    async def watch(self, watch: WatchConfig) -> None:
        """(Re)start watching the keeper's roots; returns when the watches are in place."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        self._watching = self._watcher = None
        if watch.enabled:
            in_place = asyncio.Event()
            self._watching = self._spawn(self._watch(watch, in_place))
            await in_place.wait()

    async def _watch(self, watch: WatchConfig, in_place: asyncio.Event) -> None:
        while True:
            try:
                await self._survive("watch", self._follow(watch, in_place))
            finally:
                in_place.set()
            await asyncio.sleep(WATCH_AGAIN_S)

    async def _follow(self, watch: WatchConfig, in_place: asyncio.Event) -> None:
        timing = Timing(watch.step_ms, watch.settle_ms, watch.max_settle_ms, watch.scan_s)
        files = self.keeper.files
        watcher = Watcher(files.roots, files.directories, self._is_ignored, timing)
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

    async def _apply(self, batch: Batch) -> None:
        started_s = time.monotonic()
        self._followed_s, self._explains_all = batch.first_event_monotonic_s, batch.full
        try:
            found = await self._look_where(batch)
        finally:
            self._followed_s, self._explains_all = None, False
            self._batches += 1
            self._missed.explain(lambda id: any(map(batch.covers, self._paths(id))))
        if found:
            _log.info(
                "batch",
                added=found.added,
                changed=found.changed,
                removed=found.removed,
                revision=found.revision,
                paths=len(batch.paths),
                full=batch.full,
                ms=round(1000 * (time.monotonic() - started_s), 1),
            )

    async def _look_where(self, batch: Batch) -> flows.Reconciled:
        keeper = self.keeper
        if batch.full or batch.directories:
            return await self.reconcile(keeper)
        return await flows.drive(keeper, flows.follow(keeper, batch.paths))

    def _paths(self, id: str) -> Iterable[str]:
        return (f"{root}/{id}" for root in self.keeper.files.roots)

    # -- missed events ------------------------------------------------------------------------

    def _suspect(self, delta: Delta) -> None:
        """A change is known, whoever found it: an event must tell of it now, or the watcher is deaf.

        Files that became components only because somebody pulls them in have not changed themselves.
        """
        if self._watcher is None or self._explains_all:
            return
        listed = (id for id in delta.added if self.keeper.library.names.is_discovered(id.rpartition("/")[2]))
        hears = self._watcher.hears_of
        ids = [id for id in (*listed, *delta.changed, *delta.removed) if any(map(hears, self._paths(id)))]
        if ids:
            self._missed.suspect(ids)
            asyncio.get_running_loop().call_later(1.1 * self._missed.explained_s, self._judge)

    def _judge(self) -> None:
        """Watch everything anew if changes were missed since this was last asked."""
        missed = self._missed.total - self._judged
        self._judged += missed
        if missed and self._watcher is not None:
            self._watcher.distrust(f"{missed} changes made no event")

    # -- reconciling --------------------------------------------------------------------------

    async def reconcile_every(self, interval_s: float) -> None:
        """Compare with the disk on a timer."""
        while True:
            await asyncio.sleep(interval_s)
            await self._survive("reconcile", self.reconcile(self.keeper))

    async def reconcile(self, keeper: Keeper) -> flows.Reconciled:
        """Scan and apply, in a round shared with whoever asks at the same time."""
        rounds = self._rounds if keeper is self.keeper else self._rounds_of(keeper)
        return await rounds.join()

    def _rounds_of(self, keeper: Keeper) -> Rounds[flows.Reconciled]:
        return Rounds(lambda: self._reconcile(keeper), self._spawn)

    async def _reconcile(self, keeper: Keeper) -> flows.Reconciled:
        started_s = time.monotonic()
        found = await flows.drive(keeper, flows.reconcile(keeper))
        self._reconciles += 1
        if found:
            _log.info(
                "reconcile",
                added=found.added,
                changed=found.changed,
                removed=found.removed,
                revision=found.revision,
                ms=round(1000 * (time.monotonic() - started_s), 1),
            )
        return found

    # -- warming ------------------------------------------------------------------------------

    def changed(self, delta: Delta, dropped: tuple[Request, ...]) -> None:
        """Observe a change: see to it that what it made untrue is warm again."""
        self._suspect(delta)
        if self._changed_s is None:
            self._changed_s = self._followed_s or time.monotonic()
        self._warm_soon(dropped)

    def _warm_soon(self, requests: Iterable[Request]) -> None:
        self._due |= dict.fromkeys(requests)
        if not self._is_warming:
            self._is_warming = True
            self._spawn(self._warm_again())

    async def _warm_again(self) -> None:
        try:
            await self._survive("warm", self._warm_hot_set())
            for _ in range(MAX_REWARMED):
                if not self._due:
                    break
                await self._survive("warm", self._assemble(self._due.popitem()[0]))
            if self._changed_s is not None:
                self._change_to_warm_ms.record(int(1000 * (time.monotonic() - self._changed_s)))
        finally:
            self._due.clear()
            self._changed_s = None
            self._is_warming = False

    async def _warm_hot_set(self) -> None:
        await flows.drive(self.keeper, flows.warm(self.keeper))

    async def _assemble(self, request: Request) -> None:
        keeper = self.keeper
        if keeper.prompts.peek(request) is not None:
            return  # somebody has asked for it meanwhile
        try:
            prompt = await flows.drive(keeper, flows.assemble(keeper, request, Sweep(keeper.files)))
            prompt.uses -= 1  # nobody asked for it
            self._rewarmed += 1
        except PromptdError as error:
            _log.debug("prompt no longer assembles", names=request.names, error=error.type)
        await asyncio.sleep(0)  # requests go first

    # -- use counts ---------------------------------------------------------------------------

    async def restore(self) -> None:
        """Take back the index, the use counts and the token counts of the last run, if there are any."""
        await self.lend(self.keeper)
        kept = await asyncio.to_thread(self._uses.read) if self._uses else None
        if kept is not None:
            self.keeper.hot.restore(kept.weights, time.time() - kept.saved_unix_s)
        if self._counts is not None:
            keeper = self.keeper
            keeper.segments.recall(await asyncio.to_thread(self._counts.read, keeper.tokenizer.identity))
        self._is_restored = True

    async def keep_every(self, interval_s: float) -> None:
        """Count uses towards the hot set, warm it, and keep the counts on disk, on a timer."""
        while True:
            await asyncio.sleep(interval_s)
            await self._survive("keep", self.keep())
            await self._survive("warm", self._warm_hot_set())

    async def keep(self, *, is_last: bool = False) -> None:
        """Fold uses into the hot set and write down use counts, token counts, and now and then the index."""
        now_s = time.time()
        self.keeper.fold_uses(now_s)
        if self._uses is not None and self._is_restored:
            await asyncio.to_thread(self._uses.write, self.keeper.hot.weights(now_s), now_s)
        if self._counts is not None and self._is_restored:
            await asyncio.to_thread(self._counts.keep, self.keeper.segments, self.keeper.tokenizer.identity)
        if is_last or time.monotonic() - self._indexed_s >= INDEX_EVERY_S:
            await self._keep_index()

    # -- the index ----------------------------------------------------------------------------

    async def lend(self, keeper: Keeper) -> Index | None:
        """Give a keeper that is to be filled the index that was kept last."""
        if self._index is not None:
            keeper.loader.index = await asyncio.to_thread(self._index.read, shelves_of(keeper))
        return keeper.loader.index

    @property
    def _mark(self) -> tuple[int, Keeper]:
        return self.keeper.library.mark, self.keeper

    async def _keep_index(self) -> None:
        """Write down what was read of every file, unless that is what the file says; some at a time."""
        if self._index is None or not self.keeper.is_complete or self._indexed == self._mark:
            return
        mark, readings = self._mark, self.keeper.library.readings()
        writing = await asyncio.to_thread(Writing, shelves_of(self.keeper))
        while some := list(islice(readings, AT_ONCE)):
            await asyncio.to_thread(writing.add, some)
        if await asyncio.to_thread(self._index.write, writing):
            self._indexed = mark
        self._indexed_s = time.monotonic()
