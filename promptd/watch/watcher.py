"""The one verb of watching: `async for batch in watcher`.

A hint for pre-warming and never the truth: a reply is validated by stat whatever was seen here. This file is
the supervisor. One thread waits for events (lookout.py) and passes on what it sees; here that is gathered
until it has settled (changes.py). When watching fails (the inotify limit, a name that is not UTF-8, deafness,
anything) everything is closed and made anew after a growing pause. Every opening, the first one included, is
followed by a batch that asks for a full scan, since nobody knows what was missed.

Where events cannot be relied on (a file system that makes none, a limit, no watches at all) the batches are
full scans, `scan_s` apart, or farther where the reader is slow, so that scanning costs 5 % of a core at most.
A slow reader loses nothing: what happens meanwhile becomes one larger batch.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Literal

from promptd.support import log
from promptd.watch.debounce import Batch, Changes, Coalescer
from promptd.watch.watch_thread import (
    ListDirectories,
    Pace,
    Ports,
    WatchThread,
)

CLOSE_S = 0.08  # a look ends at once; a survey of a huge tree is not waited for
FIRST_PAUSE_S = 0.05  # an odd file name is over at once
LONGEST_PAUSE_S = 30.0  # the reconcile interval: by then a scan has found everything anyway
FORGET_AFTER_S = 60.0  # a watcher that lived this long starts again with the shortest pause
SCAN_SHARE = 20  # a scan that took 1 s is followed by 20 s without

Mode = Literal["off", "inotify", "inotify+scan", "scan", "degraded: watch limit", "degraded: no watches"]

EVENTS_SUFFICE: tuple[Mode, ...] = ("off", "inotify")

_log = log.get_logger("promptd.watch")


@dataclass(frozen=True, slots=True)
class Timing:
    """How events are gathered: time between two looks, quiet time, longest wait in ms; between scans in s."""

    step_ms: int = 25
    settle_ms: int = 5
    max_settle_ms: int = 500
    scan_s: float = 2.0

    @property
    def pace(self) -> Pace:
        """The rests of the lookout: while a burst goes on it looks twice within the quiet time."""
        quick_ms = max(1, min(self.step_ms, self.settle_ms // 2))
        return Pace(self.step_ms / 1000, quick_ms / 1000, (self.settle_ms + self.step_ms) / 1000)


@dataclass(frozen=True, slots=True)
class WatcherStatistics:
    """What the watcher has seen.

    `mode` is "off" before it is entered and after it is closed; "inotify" when every directory is watched;
    "scan" when the file system makes no events, and "inotify+scan" when that holds for some directories, or
    when it does not tell everything; "degraded: watch limit" while some directories are not watched for want
    of inotify watches, and "degraded: no watches" between a failure and the next attempt.

    `directories` are watched, by so many `notifiers`; `directories_unwatched` should be and are not,
    `directories_scanned` cannot be relied on to tell. `rebuilds` counts notifiers made,
    `watcher_restarts_total` the failures among their causes, `stalls` the times this process stood still.
    """

    mode: Mode
    directories: int
    directories_unwatched: int
    directories_scanned: int
    notifiers: int
    batches: int
    full_batches: int
    scans: int
    events: int
    rebuilds: int
    stalls: int
    watcher_restarts_total: int
    last_error: str
    last_event_age_s: float | None


class Backoff:
    """Pauses between failures: doubling up to a limit, short again after a long quiet time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._last_s = 0.0

    def next_s(self) -> float:
        """Count one failure and say how long to wait, in seconds."""
        now_s = self._clock()
        if now_s - self._last_s > FORGET_AFTER_S:
            self._failures = 0
        pause_s = min(FIRST_PAUSE_S * 2.0**self._failures, LONGEST_PAUSE_S)
        self._failures = min(self._failures + 1, 32)
        self._last_s = now_s
        return pause_s


class Watcher:
    """Batches of changes below `roots`, as an asynchronous iterator inside `async with`.

    `list_directories` says where each directory of the library really is, by its absolute path: of all, or
    of those at and below the path it is given (called in a thread, at the start and when a directory
    changed); `is_ignored` says of an absolute path that nobody wants to hear of it. Enter it before the first
    scan of the library: what changes during the scan is then in a batch.
    """

    def __init__(
        self,
        roots: Sequence[str],
        list_directories: ListDirectories,
        is_ignored: Callable[[str], bool],
        timing: Timing | None = None,
        *,
        make_world: Callable[[], Ports] = Ports,
    ) -> None:
        self._roots = tuple(os.path.abspath(root) for root in roots)
        self._list_directories = list_directories
        self._is_ignored = is_ignored
        self._timing = timing = timing or Timing()
        self._make_world = make_world
        self._clock: Callable[[], float] = time.monotonic
        self._coalescer = Coalescer(timing.settle_ms / 1000, timing.max_settle_ms / 1000, clock=self._now)
        self._lookout: WatchThread | None = None
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_entered = False
        self._handed_out_s: float | None = None
        self._scan_s = 0.0
        self._batches = self._full_batches = self._scans = self._events = self._restarts = 0
        self._last_error = ""
        self._last_event_s: float | None = None

    def __repr__(self) -> str:
        return f"<Watcher {self._mode()}, {self._batches} batches>"

    def statistics(self) -> WatcherStatistics:
        """Counts since construction, and the state right now."""
        lookout, last_s = self._lookout, self._last_event_s
        watched, unwatched, scanned, notifiers, made = lookout.counts if lookout else (0, 0, 0, 0, 0)
        return WatcherStatistics(
            mode=self._mode(),
            directories=watched,
            directories_unwatched=unwatched,
            directories_scanned=scanned,
            notifiers=notifiers,
            batches=self._batches,
            full_batches=self._full_batches,
            scans=self._scans,
            events=self._events,
            rebuilds=made,
            stalls=lookout.stalls if lookout else 0,
            watcher_restarts_total=self._restarts,
            last_error=self._last_error,
            last_event_age_s=None if last_s is None else self._now() - last_s,
        )

    def hears_of(self, path: str) -> bool:
        """True if a change at `path` makes an event, as far as is known."""
        lookout = self._lookout
        return lookout is not None and lookout.is_open and lookout.hears_of(path)

    def distrust(self, reason: str) -> None:
        """Say that something changed without an event: everything is watched anew."""
        if self._lookout is not None:
            self._lookout.distrust(reason)

    # -- life ---------------------------------------------------------------------------------

    async def __aenter__(self) -> "Watcher":
        """Put the watches in place; a failure is not raised but mended while iterating."""
        world = self._make_world()
        self._clock = world.clock
        self._lookout = WatchThread(
            self._roots, self._list_directories, self._is_ignored, self._timing.pace, world
        )
        patrol = (self._lookout, Backoff(world.clock), asyncio.get_running_loop())
        Thread(target=self._patrol, args=patrol, name="promptd-watch", daemon=True).start()
        await self._news.wait()
        self._is_entered = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop watching, within 100 ms; the iteration ends."""
        if self._lookout is None or not self._is_entered:
            return
        self._is_entered = False
        self._news.set()
        self._lookout.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._ended.wait()

    def _patrol(self, lookout: WatchThread, backoff: Backoff, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: look, tell the loop, and after a failure pause and open again."""
        with suppress(RuntimeError):  # the loop is gone, and with it everyone who wants to know
            while not lookout.is_stopped:
                try:
                    sighting = lookout.look() if lookout.is_open else lookout.open()
                except BaseException as problem:  # a panic in Rust is no Exception
                    pause_s = backoff.next_s()
                    loop.call_soon_threadsafe(self._fail, problem, pause_s)
                    lookout.rest(pause_s)
                else:
                    loop.call_soon_threadsafe(self._take, sighting)
            lookout.end()
            loop.call_soon_threadsafe(self._ended.set)

    # -- in the loop --------------------------------------------------------------------------

    def __aiter__(self) -> "Watcher":
        return self

    async def __anext__(self) -> Batch:
        """The next settled batch; safe to cancel, nothing is lost by it."""
        self._schedule_scan()
        while self._is_entered:
            batch = self._coalescer.take() or self._scan()
            if batch is not None:
                return self._hand_out(batch)
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._due_in_s()):
                    await self._news.wait()
        raise StopAsyncIteration

    def _take(self, sighting: Changes) -> None:
        self._events += sighting.events
        if sighting.events:
            self._last_event_s = sighting.seen_s
        self._coalescer.add(sighting)
        self._news.set()

    def _fail(self, problem: BaseException, pause_s: float) -> None:
        self._restarts += 1
        self._last_error = f"{type(problem).__name__}: {problem}"
        _log.warning("watcher failed, trying again", error=self._last_error, pause_s=pause_s)
        self._news.set()

    def _hand_out(self, batch: Batch) -> Batch:
        self._batches += 1
        self._full_batches += batch.full
        self._handed_out_s = self._now() if batch.full else None
        return batch

    def _schedule_scan(self) -> None:
        """The reader is back; how long it took says when the next scan may be."""
        if self._handed_out_s is not None:
            took_s = self._now() - self._handed_out_s
            self._scan_s = self._now() + max(self._timing.scan_s, SCAN_SHARE * took_s)
            self._handed_out_s = None

    def _scan(self) -> Batch | None:
        """A batch that asks for a scan, where events cannot be relied on and it is time."""
        if self._mode() in EVENTS_SUFFICE or self._now() < self._scan_s:
            return None
        self._scans += 1
        return Batch(frozenset(), frozenset(), True, self._now())

    def _due_in_s(self) -> float | None:
        """Seconds until there may be something to hand out, None if that takes an event."""
        settled_s = self._coalescer.due_in_s()
        if self._mode() in EVENTS_SUFFICE:
            return settled_s
        scan_s = max(0.0, self._scan_s - self._now())
        return scan_s if settled_s is None else min(scan_s, settled_s)

    def _now(self) -> float:
        return self._clock()

    def _mode(self) -> Mode:
        lookout = self._lookout
        if lookout is None or not self._is_entered:
            return "off"
        if not lookout.is_open:
            return "degraded: no watches"
        if lookout.is_limited:
            return "degraded: watch limit"
        return lookout.reliance
