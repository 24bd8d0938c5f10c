"""The part of the watcher that runs in a thread: polls for events and keeps every directory watched.

`wait` sleeps for one interval, drains the watch set and classifies the events. When a directory appeared,
vanished or changed, the watches are updated: list the directories at that path, watch those that are new or
may have been replaced, then drain and drop the old watches, and list once more. A directory that appeared
meanwhile shows in the second list, and the steps are repeated. Changes are handed out after that, so a reader
that rescans the directories they name misses nothing: what happened before the rescan is found by it, what
happens after is seen by the new watches.

Events can be lost silently. So a full scan is requested if one drain returned too many events for the
kernel's queue, or if a sleep took far too long (this process was stopped, or starved); and `wait` runs the
health checks (health_checks.py) for changes that make no event.

Errors are not handled here: an error closes the thread's watches and propagates to watcher.py, which opens
them again.
"""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Literal

from promptd.watch.debounce import Changes
from promptd.watch.health_checks import HealthChecks, Heartbeat, MountSource
from promptd.watch.inotify import (
    HeartbeatFile,
    Inotify,
    is_limit,
    max_queued_events,
)
from promptd.watch.mounts import MountTable
from promptd.watch.paths import is_within_any, parent
from promptd.watch.scope import Scope, is_watchable
from promptd.watch.watch_set import MakeBackend, WatchSet

MAX_SURVEYS = 5  # a tree that changes during five surveys in a row is left to the next event
MAX_PLACES = 64  # listing more one by one costs as much as listing everything
STALL_S = 1.0  # a sleep of 20 ms that takes this much longer
QUEUE_SHARE = 8  # a save is four events in the kernel and one or two here: this is half of the queue

ListDirectories = Callable[[str | None], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Ports:
    """What a WatchThread uses of the operating system; tests bring their own. One per WatchThread."""

    make: MakeBackend = Inotify
    is_limit: Callable[[BaseException], bool] = is_limit
    max_queued_events: Callable[[], int] = max_queued_events
    mounts: MountSource = field(default_factory=MountTable)
    heartbeat: Heartbeat = field(default_factory=HeartbeatFile)
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """Seconds between polls: `idle_s`, but `busy_s` during the `busy_for_s` after an event."""

    idle_s: float
    busy_s: float
    busy_for_s: float


class WatchThread:
    """Watches some roots. All but `stop`, `distrust` and the properties is for use in a single thread.

    `list_directories` maps each directory of the library to its real path: all of them, or those at and below
    one path. `is_ignored` says of an absolute path that its events are to be dropped.
    """

    def __init__(
        self,
        roots: Sequence[str],
        list_directories: ListDirectories,
        is_ignored: Callable[[str], bool],
        intervals: PollIntervals,
        ports: Ports,
    ) -> None:
        self._roots = tuple(roots)
        self._list = list_directories
        self._is_ignored = is_ignored
        self._intervals = intervals
        self._ports = ports
        self._clock = ports.clock
        self._watch_set = WatchSet(ports.make, ports.is_limit, ports.heartbeat.path)
        self._checks = HealthChecks(ports.mounts, ports.heartbeat, ports.clock)
        self._scope = Scope.empty(self._roots)
        self._mounts = self._scope.mounts
        self._unwatched: frozenset[str] = frozenset()
        self._overflow_events = 0
        self._busy_until_s = 0.0
        self._running = Lock()
        self._running.acquire()
        self.is_open = False
        self.stalls = 0

    def __repr__(self) -> str:
        return f"<WatchThread {'open' if self.is_open else 'closed'}, {self._watch_set!r}>"

    # -- state and requests, from any thread --------------------------------------------------

    @property
    def is_stopped(self) -> bool:
        """True after `stop`."""
        return not self._running.locked()

    @property
    def is_limited(self) -> bool:
        """True if directories are not watched because a limit of the system is reached."""
        return self._watch_set.is_at_limit and bool(self._unwatched)

    @property
    def reliance(self) -> Literal["inotify", "inotify+scan", "scan"]:
        """How changes are found: by events, by scans, or by both."""
        scope = self._scope
        if not scope.scanned:
            return "inotify"
        return "scan" if scope.watched.isdisjoint(scope.names) else "inotify+scan"

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Directories watched, unwatched though they should be, and scanned; notifiers now, and ever made."""
        watched, unwatched = len(self._scope.watched), len(self._unwatched)
        scanned, notifiers = len(self._scope.scanned), len(self._watch_set)
        return watched - unwatched, unwatched, scanned, notifiers, self._watch_set.made

    def is_watched(self, path: str) -> bool:
        """True if a change at `path` should make an event: its directory is watched and reports all."""
        scope, real = self._scope, self._scope.listed.get(parent(path))
        return real in scope.watched and real not in self._unwatched and real not in scope.scanned

    def stop(self) -> None:
        """End a running `wait` at once, and every later one."""
        if not self.is_stopped:
            self._running.release()

    def distrust(self, reason: str) -> None:
        """Make the running `wait` fail: a change was found that made no event."""
        self._checks.distrust(reason)

    # -- in the thread ------------------------------------------------------------------------

    def open(self) -> Changes:
        """Start watching; requests a full scan, which finds what happened before.

        Raises:
            OSError, RuntimeError: the operating system or watchfiles refused.
        """
        self.close()
        with self._closing_on_error():
            self._mounts = self._checks.start()
            self._overflow_events = self._ports.max_queued_events() // QUEUE_SHARE
            seen = self._update_watches(frozenset(self._roots))
            self.is_open = True
            return seen | Changes(full=True, seen_s=self._clock())

    def wait(self) -> Changes:
        """Wait for changes; empty only after `stop`.

        Raises:
            OSError, RuntimeError: a notifier has failed or missed the heartbeat; the watches are closed.
        """
        seen = Changes()
        with self._closing_on_error():
            while not seen and self._running.locked():
                if self._sleep_stalled():
                    seen |= Changes(full=True, seen_s=self._clock())
                if drained := self._watch_set.drain():
                    seen |= self._process(drained)
                if self._checks.are_due():
                    seen |= self._check_health()
        self._busy_until_s = self._clock() + self._intervals.busy_for_s
        return seen

    def close(self) -> None:
        """Drop all watches."""
        self.is_open = False
        self._watch_set.close()
        self._scope = Scope.empty(self._roots)
        self._unwatched = frozenset()

    def end(self) -> None:
        """Close for good."""
        self.close()
        self._checks.close()

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds, or until `stop`."""
        if self._running.acquire(timeout=seconds):
            self._running.release()

    def _sleep_stalled(self) -> bool:
        """Sleep for one interval; true if that took far too long."""
        began_s = self._clock()
        step_s = self._intervals.busy_s if began_s < self._busy_until_s else self._intervals.idle_s
        self.sleep(step_s)
        if self._clock() - began_s < step_s + STALL_S:
            return False
        self.stalls += 1
        self._checks.extend_grace()
        return True

    def _process(self, drained: Collection[set[str]]) -> Changes:
        seen = self._classify(drained)
        if max(map(len, drained)) >= self._overflow_events:  # the kernel's queue may have overflowed
            seen |= Changes(full=True)
        return seen | self._update_watches(seen.directories) if seen.directories else seen

    def _classify(self, drained: Collection[set[str]]) -> Changes:
        found = self._scope.classify(frozenset[str]().union(*drained), self._is_ignored)
        # What is ignored, and the heartbeat, is not when a change was seen.
        seen_s = self._clock() if found else math.inf
        return replace(found, events=sum(map(len, drained)), seen_s=seen_s)

    def _check_health(self) -> Changes:
        self._checks.check(self._watch_set)
        replaced = self._scope.replaced_roots()
        if mounts := self._checks.changed_mounts(self._scope):
            self._mounts = mounts
            replaced = frozenset(self._roots)
        if replaced:
            return self._update_watches(replaced) | Changes(directories=replaced, seen_s=self._clock())
        return self._retry() if self._unwatched and self._checks.is_retry_due() else Changes()

    def _retry(self) -> Changes:
        """Watch what could not be watched before, and request a scan of it."""
        before = self._unwatched
        seen = self._update_watches(frozenset())
        new = {name for real in before - self._unwatched for name in self._scope.names.get(real, ())}
        return seen | Changes(directories=frozenset(new), seen_s=self._clock())

    # -- updating the watches -----------------------------------------------------------------

    def _update_watches(self, below: frozenset[str]) -> Changes:
        """Watch what is at and below these paths now; returns the last events of the old watches.

        Repeats until a survey agrees with the one before. All watches below `below` are made again, whatever
        the surveys say: a directory may have been replaced by another of the same name, and the old watch is
        then on one that is gone.
        """
        changes, suspect = Changes(), below
        for number in range(MAX_SURVEYS):
            scope = self._survey(below)
            gone = self._scope.suspects(suspect) | (self._scope.watched - scope.watched)
            fresh = self._fresh(scope, gone)
            if number and not gone and (not fresh or self._watch_set.is_at_limit):
                break
            late = self._classify(self._watch_set.update(gone, fresh))
            self._scope = scope
            self._unwatched = scope.watched - self._watch_set.watched
            changes |= late
            suspect = late.directories
            below |= suspect
        return changes

    def _fresh(self, scope: Scope, gone: Collection[str]) -> list[str]:
        """The directories of a scope that have to be watched and are not."""
        kept = self._watch_set.watched.difference(gone)
        return [place for place in scope.watched - kept if is_watchable(place)]

    def _survey(self, below: frozenset[str]) -> Scope:
        """The current scope, if nothing but what is at or below these paths may have changed."""
        if len(below) > MAX_PLACES or not below.isdisjoint(self._roots):
            return Scope.survey(self._roots, self._list(None), self._mounts)
        outer = [place for place in below if not is_within_any(parent(place), below - {place})]
        listed = {name: real for place in outer for name, real in self._list(place).items()}
        return self._scope.renewed(outer, listed, self._mounts)
