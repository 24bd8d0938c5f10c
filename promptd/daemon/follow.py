"""Following the watcher: each batch of file events becomes a procedure that reads what may have changed.

A batch names paths to read, or asks for a rescan where the watcher cannot say what changed. The other way
round, what a request or a rescan finds to differ is held against the events: a difference that no event
explains is a missed event (missed_events.py), and the watcher that missed it starts anew.
"""

import asyncio
import time
from collections.abc import Iterable

from promptd.config.schema import WatchConfig
from promptd.core.library.library import Delta
from promptd.core.syntax.component import FileSignature
from promptd.daemon.missed_events import MissedEvents
from promptd.daemon.rescan import Rescans
from promptd.daemon.tasks import Failures
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.sources.worktree.files import Worktree
from promptd.support import log
from promptd.support.tasks import Spawn
from promptd.watch.debounce import Batch
from promptd.watch.watcher import Timing, Watcher, WatcherStatistics

WATCH_AGAIN_S = 1.0  # the watcher restarts itself; this is for errors that it does not foresee

_log = log.get_logger("promptd.daemon")


class Follower:
    """Applies the watcher's batches to the current workspace and keeps count of the events it missed."""

    def __init__(
        self, current: Current, rescans: Rescans, spawn: Spawn, failures: Failures, missed: MissedEvents
    ) -> None:
        self.batches = 0
        self.missed = missed
        self.watcher: Watcher | None = None
        self._current = current
        self._rescans = rescans
        self._spawn = spawn
        self._failures = failures
        self._watching: asyncio.Task[None] | None = None
        self._is_filled = asyncio.Event()
        self._applied: Batch | None = None  # the batch that is being applied
        self._batch_s = time.monotonic()  # when the last one began to be applied

    def __repr__(self) -> str:
        return f"<Follower {self.batches} batches>"

    def begin(self) -> None:
        """The library has been read: apply batches from now on."""
        self._is_filled.set()

    def statistics(self) -> WatcherStatistics | dict[str, str]:
        """The watcher's record; its mode alone if there is none."""
        return self.watcher.statistics() if self.watcher else {"mode": "off"}

    # -- batches ------------------------------------------------------------------------------

    async def watch(self, watch: WatchConfig) -> None:
        """(Re)start watching the workspace's roots; returns when the watches are in place."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        self._watching = self.watcher = None
        if watch.enabled:
            in_place = asyncio.Event()
            self._watching = self._spawn(self._watch(watch, in_place))
            await in_place.wait()

    @property
    def _tree(self) -> Worktree:
        """The working tree that is watched."""
        source = self._current.workspace.source
        assert isinstance(source, Worktree)  # what build.py makes
        return source

    async def _watch(self, watch: WatchConfig, in_place: asyncio.Event) -> None:
        while True:
            try:
                await self._failures.survive("watch", self._follow(watch, in_place))
            finally:
                in_place.set()
            await asyncio.sleep(WATCH_AGAIN_S)

    async def _follow(self, watch: WatchConfig, in_place: asyncio.Event) -> None:
        timing = Timing(watch.poll_interval, watch.debounce, watch.max_debounce, watch.fallback_scan_interval)
        tree = self._tree
        watcher = Watcher(tree.roots, tree.directories, self.is_ignored, timing)
        async with watcher:
            self.watcher = watcher
            in_place.set()
            await self._is_filled.wait()
            async for batch in watcher:
                await self._failures.survive("batch", self._apply(batch))

    def is_ignored(self, path: str) -> bool:
        """True for a path whose events mean nothing: a name that the library ignores.

        But `..data`, which Kubernetes re-points to exchange a whole volume, means everything.
        """
        place = self._tree.place(path)
        if place is None or place.id.rpartition("/")[2].startswith(".."):
            return False
        return self._current.workspace.library.names.is_ignored(place.id)

    async def _apply(self, batch: Batch) -> None:
        started_s = time.monotonic()
        self._applied = batch
        try:
            found = await self._look_where(batch)
        finally:
            self._applied = None
            self.batches += 1
            self._batch_s = started_s
            self.missed.explain(lambda id: any(map(batch.covers, self._paths(id))))
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
        workspace = self._current.workspace
        if batch.full or batch.directories:
            return await self._rescans.rescan(workspace)
        places = [place for path in sorted(batch.paths) for place in self._tree.places(path)]
        return await procedures.drive(workspace, procedures.follow(workspace, places))

    def _paths(self, id: str) -> Iterable[str]:
        return (f"{root}/{id}" for root in self._tree.roots)

    # -- changes, whichever way they were found -------------------------------------------------

    def began_s(self, delta: Delta) -> float:
        """When the change that is being applied was made, in monotonic seconds.

        When its first event came, or when it was found; earlier if a file of it was written before that but
        after the last batch. (An older time of modification was brought along: `cp -p`, a checkout.)
        """
        batch_s = self._applied.first_event_monotonic_s if self._applied is not None else None
        seen_s = batch_s or time.monotonic()
        return min([seen_s, *(each for each in self._written_s(delta) if each > self._batch_s)])

    def _written_s(self, delta: Delta) -> Iterable[float]:
        ahead_s = time.time() - time.monotonic()
        for id in (*delta.added, *delta.changed):
            component = self._current.workspace.library.get(id)
            if component is not None and isinstance(component.signature, FileSignature):
                yield component.signature.mtime_ns / 1e9 - ahead_s

    def suspect(self, delta: Delta) -> None:
        """A change was found: an event must report it soon, or the watcher has missed it.

        Files that became components only because a directive leads to them have not changed themselves, and
        what a rescan finds that the watcher asked for needs no event of its own.
        """
        if self.watcher is None or (self._applied is not None and self._applied.full):
            return
        names, is_watched = self._current.workspace.library.names, self.watcher.is_watched
        listed = (id for id in delta.added if names.is_discovered(id.rpartition("/")[2]))
        ids = [
            id for id in (*listed, *delta.changed, *delta.removed) if any(map(is_watched, self._paths(id)))
        ]
        if ids:
            self.missed.suspect(ids)
            asyncio.get_running_loop().call_later(1.1 * self.missed.explained_s, self._judge)

    def _judge(self) -> None:
        """Watch everything anew if events were missed since this was last asked."""
        missed = self.missed.take_new()
        if missed and self.watcher is not None:
            self.watcher.distrust(
                f"missed {missed} file event{'' if missed == 1 else 's'}; watcher restarted"
            )
