"""The half of the watcher that lives in a thread: hauls events in, and keeps every directory watched.

`look` rests for a step, asks the net what it caught, and sorts it. When a directory came, went or changed,
the net is mended: list the directories at that place, watch those that are new or may have been replaced,
only then empty and drop the old watches, and list once more. A directory that appeared while this went on
shows in the second list, and another round follows. The sighting is handed out after all that, so whoever
rescans the directories it names misses nothing: what happened before the rescan is found by it, what happens
after is seen by the new watches.

Events get lost without a word. So a haul that is large for the kernel's queue, or a rest that took far too
long (this process was stopped, or starved), asks for a scan of everything; and `look` makes rounds
(rounds.py) in search of what no event tells.

What breaks is not mended here. An error closes the lookout and travels to watcher.py, which opens it again.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Literal

from promptd.watch.debounce import Changes
from promptd.watch.health_checks import HealthChecks, Heartbeat, MountSource
from promptd.watch.inotify import (
    Inotify,
    Pulse,
    is_limit,
    max_queued_events,
)
from promptd.watch.mounts import MountTable
from promptd.watch.paths import is_within_any, parent
from promptd.watch.scope import Scope, is_watchable
from promptd.watch.watch_set import MakeBackend, WatchSet

MAX_ROUNDS = 5  # a tree that changes during five surveys in a row is left to the next event
MAX_PLACES = 64  # to list so many places one by one costs as much as to list everything
STALL_S = 1.0  # a rest of 20 ms that takes this long
QUEUE_SHARE = 8  # a save is four events in the kernel and one or two here: this is half of the queue

ListDirectories = Callable[[str | None], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Ports:
    """What a lookout uses of the system below it; tests bring their own. One for each lookout."""

    make: MakeBackend = Inotify
    is_limit: Callable[[BaseException], bool] = is_limit
    max_queued_events: Callable[[], int] = max_queued_events
    mounts: MountSource = field(default_factory=MountTable)
    pulse: Heartbeat = field(default_factory=Pulse)
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a rest is, in seconds: `step_s`, but `quick_s` for `settle_s` after something was seen."""

    step_s: float
    quick_s: float
    settle_s: float


class WatchThread:
    """Watches some roots. All but `stop`, `distrust` and the questions belongs to a single thread.

    `list_directories` says where each directory of the library really is, by its path: of all, or of those
    at and below one path. `is_ignored` says of an absolute path that nobody wants to hear of it.
    """

    def __init__(
        self,
        roots: Sequence[str],
        list_directories: ListDirectories,
        is_ignored: Callable[[str], bool],
        pace: Pace,
        world: Ports,
    ) -> None:
        self._roots = tuple(roots)
        self._list = list_directories
        self._is_ignored = is_ignored
        self._pace = pace
        self._world = world
        self._clock = world.clock
        self._net = WatchSet(world.make, world.is_limit, world.pulse.path)
        self._rounds = HealthChecks(world.mounts, world.pulse, world.clock)
        self._scope = Scope.nothing(self._roots)
        self._mounts = self._scope.mounts
        self._unwatched: frozenset[str] = frozenset()
        self._many = 0
        self._busy_until_s = 0.0
        self._running = Lock()
        self._running.acquire()
        self.is_open = False
        self.stalls = 0

    def __repr__(self) -> str:
        return f"<WatchThread {'open' if self.is_open else 'closed'}, {self._net!r}>"

    # -- questions and orders, from any thread ------------------------------------------------

    @property
    def is_stopped(self) -> bool:
        """True after `stop`."""
        return not self._running.locked()

    @property
    def is_limited(self) -> bool:
        """True if directories are not watched because a limit of the system is reached."""
        return self._net.is_short and bool(self._unwatched)

    @property
    def reliance(self) -> Literal["inotify", "inotify+scan", "scan"]:
        """On what the library's directories can rely: on events, on scans, or on both together."""
        scope = self._scope
        if not scope.scanned:
            return "inotify"
        return "scan" if scope.watched.isdisjoint(scope.names) else "inotify+scan"

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Directories watched, those that should be, those that are scanned; notifiers now, and ever made."""
        watched, unwatched = len(self._scope.watched), len(self._unwatched)
        return watched - unwatched, unwatched, len(self._scope.scanned), len(self._net), self._net.made

    def hears_of(self, path: str) -> bool:
        """True if a change at `path` should make an event: its directory is watched and tells everything."""
        scope, real = self._scope, self._scope.listed.get(parent(path))
        return real in scope.watched and real not in self._unwatched and real not in scope.scanned

    def stop(self) -> None:
        """End a running `look` at once, and every later one."""
        if not self.is_stopped:
            self._running.release()

    def distrust(self, reason: str) -> None:
        """Make the running `look` fail: somebody knows of a change that made no event."""
        self._rounds.distrust(reason)

    # -- in the thread ------------------------------------------------------------------------

    def open(self) -> Changes:
        """Begin to watch; asks for a full scan, which finds whatever happened before.

        Raises:
            OSError, RuntimeError: the operating system or watchfiles refused.
        """
        self.close()
        with self._closing_on_error():
            self._mounts = self._rounds.begin()
            self._many = self._world.max_queued_events() // QUEUE_SHARE
            seen = self._mend(frozenset(self._roots))
            self.is_open = True
            return seen | Changes(full=True, seen_s=self._clock())

    def look(self) -> Changes:
        """Wait until there is something to tell; empty only after `stop`.

        Raises:
            OSError, RuntimeError: a notifier has failed or is deaf, and the lookout is closed.
        """
        seen = Changes()
        with self._closing_on_error():
            while not seen and self._running.locked():
                if self._has_stood_still():
                    seen |= Changes(full=True, seen_s=self._clock())
                if hauls := self._net.haul():
                    seen |= self._take_in(hauls)
                if self._rounds.are_due():
                    seen |= self._make_rounds()
        self._busy_until_s = self._clock() + self._pace.settle_s
        return seen

    def close(self) -> None:
        """Drop all watches."""
        self.is_open = False
        self._net.close()
        self._scope = Scope.nothing(self._roots)
        self._unwatched = frozenset()

    def end(self) -> None:
        """Close for good."""
        self.close()
        self._rounds.close()

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def rest(self, seconds: float) -> None:
        """Wait so long, or until `stop`."""
        if self._running.acquire(timeout=seconds):
            self._running.release()

    def _has_stood_still(self) -> bool:
        """Rest for one step; true if that took suspiciously long."""
        began_s = self._clock()
        step_s = self._pace.quick_s if began_s < self._busy_until_s else self._pace.step_s
        self.rest(step_s)
        if self._clock() - began_s < step_s + STALL_S:
            return False
        self.stalls += 1
        self._rounds.excuse()
        return True

    def _take_in(self, hauls: Collection[set[str]]) -> Changes:
        seen = self._sort(hauls)
        if max(map(len, hauls)) >= self._many:  # the kernel's queue may have run over
            seen |= Changes(full=True)
        return seen | self._mend(seen.directories) if seen.directories else seen

    def _sort(self, hauls: Collection[set[str]]) -> Changes:
        found = self._scope.sort(frozenset[str]().union(*hauls), self._is_ignored)
        return replace(found, events=sum(map(len, hauls)), seen_s=self._clock())

    def _make_rounds(self) -> Changes:
        self._rounds.mind(self._net)
        exchanged = self._scope.exchanged()
        if mounts := self._rounds.mounts_beside(self._scope):
            self._mounts = mounts
            exchanged = frozenset(self._roots)
        if exchanged:
            return self._mend(exchanged) | Changes(directories=exchanged, seen_s=self._clock())
        return self._retry() if self._unwatched and self._rounds.is_retry_due() else Changes()

    def _retry(self) -> Changes:
        """Watch what could not be watched before; what happened there meanwhile is to be scanned."""
        before = self._unwatched
        seen = self._mend(frozenset())
        new = {name for real in before - self._unwatched for name in self._scope.names.get(real, ())}
        return seen | Changes(directories=frozenset(new), seen_s=self._clock())

    # -- mending ------------------------------------------------------------------------------

    def _mend(self, below: frozenset[str]) -> Changes:
        """Watch what is at and below these places now; returns what old watches still told.

        Goes on until a second survey agrees with the first. All watches below `below` are made anew, whatever
        the surveys say: a directory may have been replaced by another one of the same name, and the old watch
        is then on one that is gone.
        """
        told, suspect = Changes(), below
        for number in range(MAX_ROUNDS):
            scope = self._survey(below)
            gone = self._scope.suspects(suspect) | (self._scope.watched - scope.watched)
            fresh = self._fresh(scope, gone)
            if number and not gone and (not fresh or self._net.is_short):
                break
            late = self._sort(self._net.mend(gone, fresh))
            self._scope = scope
            self._unwatched = scope.watched - self._net.watched
            told |= late
            suspect = late.directories
            below |= suspect
        return told

    def _fresh(self, scope: Scope, gone: Collection[str]) -> list[str]:
        """What of a scope has to be watched and is not, or no longer."""
        kept = self._net.watched.difference(gone)
        return [place for place in scope.watched - kept if is_watchable(place)]

    def _survey(self, below: frozenset[str]) -> Scope:
        """The scope as it is now, where nothing but what is at or below these places may have changed."""
        if len(below) > MAX_PLACES or not below.isdisjoint(self._roots):
            return Scope.survey(self._roots, self._list(None), self._mounts)
        outer = [place for place in below if not is_within_any(parent(place), below - {place})]
        listed = {name: real for place in outer for name, real in self._list(place).items()}
        return self._scope.renewed(outer, listed, self._mounts)
