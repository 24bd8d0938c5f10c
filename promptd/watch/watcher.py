"""The API of watching is one loop: `async for batch in watcher`.

A batch is a hint for warming the cache and never the truth: every reply is validated by stat, whatever was
seen here. This module supervises. One thread waits for events (watch_thread.py) and passes changes on; here
they are debounced (debounce.py). When watching fails (the inotify limit, a name that is not UTF-8, a missed
heartbeat, anything) everything is closed and opened again after a growing pause. Each opening, including the
first, is followed by a batch that requests a full scan, since events may have been missed.

Where events are unreliable (a file system that makes none, a limit, no watches at all) batches are full
scans, `scan_s` apart, or farther if the reader is slow, so that scanning uses at most 5 % of a core. A slow
reader loses nothing: what happens meanwhile becomes one larger batch.
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
    PollIntervals,
    Ports,
    WatchThread,
)

CLOSE_S = 0.08  # a poll ends at once; a survey of a huge tree is not awaited
FIRST_PAUSE_S = 0.05  # an odd file name is over at once
LONGEST_PAUSE_S = 30.0  # the default rescan interval: by then a rescan has found everything anyway
FORGET_AFTER_S = 60.0  # a watcher that lived this long starts again with the shortest pause
SCAN_SHARE = 20  # a scan that took 1 s is followed by 20 s without

Mode = Literal["off", "inotify", "inotify+scan", "scan", "degraded: watch limit", "degraded: no watches"]

EVENTS_SUFFICE: tuple[Mode, ...] = ("off", "inotify")

_log = log.get_logger("promptd.watch")


@dataclass(frozen=True, slots=True)
class Timing:
    """Poll interval, debounce time and longest debounce time in ms; interval of fallback scans in s."""

    step_ms: int = 25
    settle_ms: int = 5
    max_settle_ms: int = 500
    scan_s: float = 2.0

    @property
    def intervals(self) -> PollIntervals:
        """The poll intervals of the thread: during a burst it polls twice within the debounce time."""
        quick_ms = max(1, min(self.step_ms, self.settle_ms // 2))
        return PollIntervals(self.step_ms / 1000, quick_ms / 1000, (self.settle_ms + self.step_ms) / 1000)


@dataclass(frozen=True, slots=True)
class WatcherStatistics:
    """What the watcher has seen.

    `mode` is "off" before it is entered and after it is closed; "inotify" when every directory is watched;
    "scan" when the file system makes no events, and "inotify+scan" when that holds for some directories, or
    when it does not report all changes; "degraded: watch limit" while some directories are not watched
    because the limit of inotify watches is reached, and "degraded: no watches" between a failure and the
    next attempt.

    `directories` are watched, by so many `notifiers`; `directories_unwatched` should be watched and are not;
    `directories_scanned` do not report all changes. `rebuilds` counts notifiers made,
    `watcher_restarts_total` the failures among their causes, and `stalls` how often this process was not
    running for a while.
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
        """Count one failure; returns how long to wait, in seconds."""
        now_s = self._clock()
        if now_s - self._last_s > FORGET_AFTER_S:
            self._failures = 0
        pause_s = min(FIRST_PAUSE_S * 2.0**self._failures, LONGEST_PAUSE_S)
        self._failures = min(self._failures + 1, 32)
        self._last_s = now_s
        return pause_s


class Watcher:
    """Batches of changes below `roots`, as an asynchronous iterator inside `async with`.

    `list_directories` maps the absolute path of each directory of the library to its real path: all of them,
    or those at and below the path it is given (called in a thread, at the start and when a directory
    changed); `is_ignored` says of an absolute path that its events are to be dropped. Enter the watcher
    before the first scan of the library: what changes during the scan is then in a batch.
    """

    def __init__(
        self,
        roots: Sequence[str],
        list_directories: ListDirectories,
        is_ignored: Callable[[str], bool],
        timing: Timing | None = None,
        *,
        make_ports: Callable[[], Ports] = Ports,
    ) -> None:
        self._roots = tuple(os.path.abspath(root) for root in roots)
        self._list_directories = list_directories
        self._is_ignored = is_ignored
        self._timing = timing = timing or Timing()
        self._make_ports = make_ports
        self._clock: Callable[[], float] = time.monotonic
        self._coalescer = Coalescer(timing.settle_ms / 1000, timing.max_settle_ms / 1000, clock=self._now)
        self._thread: WatchThread | None = None
        self._wakeup = asyncio.Event()
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
        thread, last_s = self._thread, self._last_event_s
        watched, unwatched, scanned, notifiers, made = thread.counts if thread else (0, 0, 0, 0, 0)
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
            stalls=thread.stalls if thread else 0,
            watcher_restarts_total=self._restarts,
            last_error=self._last_error,
            last_event_age_s=None if last_s is None else self._now() - last_s,
        )

    def is_watched(self, path: str) -> bool:
        """True if a change at `path` makes an event, as far as is known."""
        thread = self._thread
        return thread is not None and thread.is_open and thread.is_watched(path)

    def distrust(self, reason: str) -> None:
        """Report that something changed without an event: all watches are made again."""
        if self._thread is not None:
            self._thread.distrust(reason)

    # -- start and end ------------------------------------------------------------------------

    async def __aenter__(self) -> "Watcher":
        """Set up the watches; a failure is not raised but retried while iterating."""
        ports = self._make_ports()
        self._clock = ports.clock
        self._thread = WatchThread(
            self._roots, self._list_directories, self._is_ignored, self._timing.intervals, ports
        )
        arguments = (self._thread, Backoff(ports.clock), asyncio.get_running_loop())
        Thread(target=self._run, args=arguments, name="promptd-watch", daemon=True).start()
        await self._wakeup.wait()
        self._is_entered = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop watching, within 100 ms; the iteration ends."""
        if self._thread is None or not self._is_entered:
            return
        self._is_entered = False
        self._wakeup.set()
        self._thread.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._ended.wait()

    def _run(self, thread: WatchThread, backoff: Backoff, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: wait for changes, hand them to the event loop; after a failure pause and open again."""
        with suppress(RuntimeError):  # the event loop is closed
            while not thread.is_stopped:
                try:
                    changes = thread.wait() if thread.is_open else thread.open()
                except BaseException as problem:  # a panic in Rust is no Exception
                    pause_s = backoff.next_s()
                    loop.call_soon_threadsafe(self._record_failure, problem, pause_s)
                    thread.sleep(pause_s)
                else:
                    loop.call_soon_threadsafe(self._add, changes)
            thread.end()
            loop.call_soon_threadsafe(self._ended.set)

    # -- in the event loop --------------------------------------------------------------------

    def __aiter__(self) -> "Watcher":
        return self

    async def __anext__(self) -> Batch:
        """The next settled batch; safe to cancel, nothing is lost by it."""
        self._schedule_scan()
        while self._is_entered:
            batch = self._coalescer.take() or self._scan()
            if batch is not None:
                return self._hand_out(batch)
            self._wakeup.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._due_in_s()):
                    await self._wakeup.wait()
        raise StopAsyncIteration

    def _add(self, changes: Changes) -> None:
        self._events += changes.events
        if changes.events:
            self._last_event_s = changes.seen_s
        self._coalescer.add(changes)
        self._wakeup.set()

    def _record_failure(self, problem: BaseException, pause_s: float) -> None:
        self._restarts += 1
        self._last_error = f"{type(problem).__name__}: {problem}"
        _log.warning("watcher failed, retrying", error=self._last_error, pause_s=pause_s)
        self._wakeup.set()

    def _hand_out(self, batch: Batch) -> Batch:
        self._batches += 1
        self._full_batches += batch.full
        self._handed_out_s = self._now() if batch.full else None
        return batch

    def _schedule_scan(self) -> None:
        """The reader is ready again; the time it took decides when the next scan may be."""
        if self._handed_out_s is not None:
            took_s = self._now() - self._handed_out_s
            self._scan_s = self._now() + max(self._timing.scan_s, SCAN_SHARE * took_s)
            self._handed_out_s = None

    def _scan(self) -> Batch | None:
        """A batch that requests a full scan, if events are unreliable and it is time."""
        if self._mode() in EVENTS_SUFFICE or self._now() < self._scan_s:
            return None
        self._scans += 1
        return Batch(frozenset(), frozenset(), True, self._now())

    def _due_in_s(self) -> float | None:
        """Seconds until a batch may be ready, None if that depends on an event."""
        settled_s = self._coalescer.due_in_s()
        if self._mode() in EVENTS_SUFFICE:
            return settled_s
        scan_s = max(0.0, self._scan_s - self._now())
        return scan_s if settled_s is None else min(scan_s, settled_s)

    def _now(self) -> float:
        return self._clock()

    def _mode(self) -> Mode:
        thread = self._thread
        if thread is None or not self._is_entered:
            return "off"
        if not thread.is_open:
            return "degraded: no watches"
        if thread.is_limited:
            return "degraded: watch limit"
        return thread.reliance
