"""The loops around one workspace: following the watcher, reconciling, warming, keeping use counts.

Prompts that a change made untrue are assembled again, most recently used first; the hot set is pinned and
pre-loaded. Each loop survives any one failure: it is logged, counted and tried again.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from promptd.config.schema import WatchConfig
from promptd.core.library.library import Delta
from promptd.core.library.parse_cache import ParseCache
from promptd.daemon.missed_events import EXPLAINED_S, MissedEvents
from promptd.daemon.single_flight import SingleFlight
from promptd.daemon.state.index_file import (
    AT_ONCE,
    IndexFile,
    Writing,
    shelves_of,
)
from promptd.daemon.state.token_counts import TokenCountsFile
from promptd.daemon.state.use_counts import UseCountsFile
from promptd.engine import procedures
from promptd.engine.workspace import Workspace
from promptd.errors import PromptdError
from promptd.protocol.request import Request
from promptd.sources.worktree.files import Sweep
from promptd.support import log
from promptd.support.locks import StateLock
from promptd.support.stats import Distribution, Histogram
from promptd.support.tasks import Spawn
from promptd.watch.debounce import Batch
from promptd.watch.watcher import Timing, Watcher, WatcherStatistics

MAX_REWARMED = 256  # prompts assembled again after one change; the rest wait for their next request
INDEX_EVERY_S = 300.0  # writes of an index whose library changes all the time; 3 MB for 10,000 files
WATCH_AGAIN_S = 1.0  # the watcher mends itself; this is for what nobody foresaw

_log = log.get_logger("promptd.daemon")


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
    """The loops around one workspace; a reload hands over another.

    `state` is the state directory, if any, and `claim` what was claimed of it if others write there too.
    """

    def __init__(
        self,
        workspace: Workspace,
        state: Path | None,
        spawn: Spawn,
        *,
        claim: StateLock | None = None,
        explained_s: float = EXPLAINED_S,
    ) -> None:
        self.workspace = workspace
        self._uses = UseCountsFile(state, claim) if state is not None else None
        self._counts = TokenCountsFile(state, claim) if state is not None else None
        self._index = IndexFile(state, claim) if state is not None else None
        self._indexed: tuple[int, Workspace] | None = None  # what the index on disk says
        self._indexed_s = -INDEX_EVERY_S
        self._spawn = spawn
        self._rounds = self._rounds_of(workspace)
        self._missed = MissedEvents(time.monotonic, explained_s)
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

    def begin(self, index: ParseCache | None = None) -> None:
        """The library has been read: apply batches from now on. `index` is what it was recalled from."""
        if index is not None and index.is_all_of(self.workspace.library):
            self._indexed = self._mark  # it would be written as it is
        self._is_filled.set()

    async def take_over(self, workspace: Workspace) -> None:
        """Look after another workspace from now on, and bring it up to what changed while it was filled."""
        former, self.workspace = self.workspace, workspace
        self._rounds = self._rounds_of(workspace)
        self._warm_soon(request for request, _ in former.prompts.items())
        await procedures.drive(workspace, procedures.reconcile(workspace))
        self._missed.explain(lambda _: True)  # the events of what it found went to the former workspace

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
        """(Re)start watching the workspace's roots; returns when the watches are in place."""
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
        files = self.workspace.files
        watcher = Watcher(files.roots, files.directories, self._is_ignored, timing)
        async with watcher:
            self._watcher = watcher
            in_place.set()
            await self._is_filled.wait()
            async for batch in watcher:
                await self._survive("batch", self._apply(batch))

    def _is_ignored(self, path: str) -> bool:
        """Ignored names are nobody's business, but `..data` is how Kubernetes swaps a whole volume."""
        place = self.workspace.files.place(path)
        if place is None or place.id.rpartition("/")[2].startswith(".."):
            return False
        return self.workspace.library.names.is_ignored(place.id)

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

    async def _look_where(self, batch: Batch) -> procedures.Reconciled:
        workspace = self.workspace
        if batch.full or batch.directories:
            return await self.reconcile(workspace)
        return await procedures.drive(workspace, procedures.follow(workspace, batch.paths))

    def _paths(self, id: str) -> Iterable[str]:
        return (f"{root}/{id}" for root in self.workspace.files.roots)

    # -- missed events ------------------------------------------------------------------------

    def _suspect(self, delta: Delta) -> None:
        """A change is known, whoever found it: an event must tell of it now, or the watcher is deaf.

        Files that became components only because somebody pulls them in have not changed themselves.
        """
        if self._watcher is None or self._explains_all:
            return
        listed = (
            id for id in delta.added if self.workspace.library.names.is_discovered(id.rpartition("/")[2])
        )
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
            await self._survive("reconcile", self.reconcile(self.workspace))

    async def reconcile(self, workspace: Workspace) -> procedures.Reconciled:
        """Scan and apply, in a round shared with whoever asks at the same time."""
        rounds = self._rounds if workspace is self.workspace else self._rounds_of(workspace)
        return await rounds.join()

    def _rounds_of(self, workspace: Workspace) -> SingleFlight[procedures.Reconciled]:
        return SingleFlight(lambda: self._reconcile(workspace), self._spawn)

    async def _reconcile(self, workspace: Workspace) -> procedures.Reconciled:
        started_s = time.monotonic()
        found = await procedures.drive(workspace, procedures.reconcile(workspace))
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
        await procedures.drive(self.workspace, procedures.warm(self.workspace))

    async def _assemble(self, request: Request) -> None:
        workspace = self.workspace
        if workspace.prompts.peek(request) is not None:
            return  # somebody has asked for it meanwhile
        try:
            prompt = await procedures.drive(
                workspace, procedures.assemble(workspace, request, Sweep(workspace.files))
            )
            prompt.uses -= 1  # nobody asked for it
            self._rewarmed += 1
        except PromptdError as error:
            _log.debug("prompt no longer assembles", names=request.names, error=error.type)
        await asyncio.sleep(0)  # requests go first

    # -- use counts ---------------------------------------------------------------------------

    async def restore(self) -> None:
        """Take back the index, the use counts and the token counts of the last run, if there are any."""
        await self.lend(self.workspace)
        kept = await asyncio.to_thread(self._uses.read) if self._uses else None
        if kept is not None:
            self.workspace.hot.restore(kept.weights, time.time() - kept.saved_unix_s)
        if self._counts is not None:
            workspace = self.workspace
            workspace.segments.recall(
                await asyncio.to_thread(self._counts.read, workspace.tokenizer.identity)
            )
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
        self.workspace.fold_uses(now_s)
        if self._uses is not None and self._is_restored:
            await asyncio.to_thread(self._uses.write, self.workspace.hot.weights(now_s), now_s)
        if self._counts is not None and self._is_restored:
            await asyncio.to_thread(
                self._counts.keep, self.workspace.segments, self.workspace.tokenizer.identity
            )
        if is_last or time.monotonic() - self._indexed_s >= INDEX_EVERY_S:
            await self._keep_index()

    # -- the index ----------------------------------------------------------------------------

    async def lend(self, workspace: Workspace) -> ParseCache | None:
        """Give a workspace that is to be filled the index that was kept last."""
        if self._index is not None:
            workspace.loader.index = await asyncio.to_thread(self._index.read, shelves_of(workspace))
        return workspace.loader.index

    @property
    def _mark(self) -> tuple[int, Workspace]:
        return self.workspace.library.mark, self.workspace

    async def _keep_index(self) -> None:
        """Write down what was read of every file, unless that is what the file says; some at a time."""
        if self._index is None or not self.workspace.is_complete or self._indexed == self._mark:
            return
        mark, readings = self._mark, self.workspace.library.readings()
        writing = await asyncio.to_thread(Writing, shelves_of(self.workspace))
        while some := list(islice(readings, AT_ONCE)):
            await asyncio.to_thread(writing.add, some)
        if await asyncio.to_thread(self._index.write, writing):
            self._indexed = mark
        self._indexed_s = time.monotonic()
