"""The one verb of watching: `async for batch in watcher`.

A hint for pre-warming and never the truth: a reply is validated by stat whatever was seen here. This file is
the only one that names watchfiles, and it is the supervisor: events are waited for in one thread
(lookout.py), gathered until they settle (changes.py), and when watching fails (the inotify limit, a name
that is not UTF-8, anything) the notifier is closed and made anew after a growing pause. Every opening, the
first one included, is followed by a batch that asks for a full scan, since nobody knows what was missed.

One step (a look, or a pause and an opening) is under way at a time, and it goes on between two batches. A
slow reader loses nothing: what happens meanwhile waits in the notifier and becomes one larger batch.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from watchfiles._rust_notify import RustNotify

from promptd import log
from promptd.watch.changes import Batch, Coalescer, Sighting
from promptd.watch.lookout import Lookout, MakeNotifier, Stop
from promptd.watch.scope import Scope

CLOSE_S = 0.08  # a look ends within one step; a survey of a huge tree is not waited for
RELEASE_S = 0.25  # the kernel takes microseconds, a thread on a busy machine longer
FIRST_PAUSE_S = 0.05  # an odd file name is over at once
LONGEST_PAUSE_S = 30.0  # the reconcile interval: by then a scan has found everything anyway
FORGET_AFTER_S = 60.0  # a watcher that lived this long starts again with the shortest pause

Mode = Literal["off", "inotify", "degraded: watch limit", "scan"]

_log = log.get_logger("promptd.watch")


@dataclass(frozen=True, slots=True)
class Timing:
    """How events are gathered: the step of the notifier's poll, quiet time, and the longest wait, in ms."""

    step_ms: int = 20
    settle_ms: int = 30
    max_settle_ms: int = 500

    @property
    def debounce_ms(self) -> int:
        """Half of the longest wait is spent gathering in the notifier, the rest in the coalescer."""
        return self.max_settle_ms // 2


@dataclass(frozen=True, slots=True)
class WatcherStatistics:
    """What the watcher has seen.

    `mode` is "off" before it is entered and after it is closed, "scan" while no notifier works and only the
    reconcile scan finds changes, "degraded: watch limit" while some directories are not watched for want of
    inotify watches. `directories` are watched, `directories_unwatched` should be and are not. `rebuilds`
    counts notifiers made, `restarts` failures among their causes.
    """

    mode: Mode
    directories: int
    directories_unwatched: int
    batches: int
    full_batches: int
    events: int
    rebuilds: int
    restarts: int
    last_error: str
    last_event_age_s: float | None


class Inotify:
    """RustNotify on the directories themselves, not on what is below them; gone when it says so.

    Permission errors are not ignored: with `ignore_permission_denied` watchfiles 1.3 swallows every error
    at the start, a used-up watch limit among them. The instance is closed by a thread of watchfiles a moment
    after `close`, or after a constructor that failed; its watches count against the limit until then, so
    both wait for it. Blocking: used in the watcher's thread only.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        before = inotify_instances()
        try:
            self._notify = RustNotify(list(paths), False, False, 0, False, False)
        except OSError:
            await_instances(before)
            raise

    def watch(
        self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: Stop | None
    ) -> set[tuple[int, str]] | str:
        """As RustNotify.watch."""
        return self._notify.watch(debounce_ms, step_ms, timeout_ms, stop_event)

    def close(self) -> None:
        """Free the watches."""
        before = inotify_instances()
        self._notify.close()
        await_instances(before - 1)


def inotify_instances() -> int:
    """How many this process has open; 0 where /proc does not say."""
    try:
        with os.scandir("/proc/self/fd") as descriptors:
            return sum(_is_inotify(descriptor.path) for descriptor in descriptors)
    except OSError:
        return 0


def await_instances(most: int) -> None:
    """Wait until there are at most so many, RELEASE_S at the longest."""
    deadline_s = time.monotonic() + RELEASE_S
    while inotify_instances() > most and time.monotonic() < deadline_s:
        time.sleep(0.001)


def _is_inotify(descriptor: str) -> bool:
    try:
        return os.readlink(descriptor) == "anon_inode:inotify"
    except OSError:
        return False


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

    `list_directories` returns the absolute directories of the library (called in a thread, at the start and
    whenever a directory changed); `is_ignored` says of an absolute path that nobody wants to hear of it.
    Enter it before the first scan of the library: what changes during the scan is then in a batch.
    """

    def __init__(
        self,
        roots: Sequence[str],
        list_directories: Callable[[], Sequence[str]],
        is_ignored: Callable[[str], bool],
        timing: Timing | None = None,
        *,
        make_notifier: MakeNotifier = Inotify,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        timing = timing or Timing()
        remaining_ms = timing.max_settle_ms - timing.debounce_ms
        self._roots = tuple(os.path.abspath(root) for root in roots)
        self._list_directories = list_directories
        self._lookout = Lookout(
            make_notifier,
            self._survey,
            is_ignored,
            step_ms=timing.step_ms,
            debounce_ms=timing.debounce_ms,
            clock=clock,
        )
        self._coalescer = Coalescer(timing.settle_ms / 1000, remaining_ms / 1000, clock=clock)
        self._backoff = Backoff(clock)
        self._clock = clock
        self._sleep = sleep
        self._executor: ThreadPoolExecutor | None = None
        self._step: asyncio.Task[Sighting] | None = None
        self._batches = self._full_batches = self._events = self._restarts = 0
        self._last_error = ""
        self._last_event_s: float | None = None

    def __repr__(self) -> str:
        return f"<Watcher {self._mode()}, {self._lookout.watched} directories, {self._batches} batches>"

    def statistics(self) -> WatcherStatistics:
        """Counts since construction, and the state right now."""
        last_s = self._last_event_s
        return WatcherStatistics(
            mode=self._mode(),
            directories=self._lookout.watched,
            directories_unwatched=self._lookout.unwatched,
            batches=self._batches,
            full_batches=self._full_batches,
            events=self._events,
            rebuilds=self._lookout.rebuilds,
            restarts=self._restarts,
            last_error=self._last_error,
            last_event_age_s=None if last_s is None else self._clock() - last_s,
        )

    async def __aenter__(self) -> "Watcher":
        """Put the watches in place; a failure is not raised but mended while iterating."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="promptd-watch")
        self._step = asyncio.create_task(self._open(pause_s=0.0))
        await asyncio.wait({self._step})
        self._finish_step()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop watching, within 100 ms; the iteration ends."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        self._lookout.stop()
        closing: set[asyncio.Future[Any]] = set()
        if self._step is not None:
            self._step.cancel()
            closing.add(self._step)
        closing.add(asyncio.get_running_loop().run_in_executor(executor, self._lookout.close))
        executor.shutdown(wait=False)
        await asyncio.wait(closing, timeout=CLOSE_S)

    def __aiter__(self) -> "Watcher":
        return self

    async def __anext__(self) -> Batch:
        """The next settled batch; safe to cancel, nothing is lost by it."""
        while self._executor is not None:
            if (batch := self._coalescer.take()) is not None:
                self._batches += 1
                self._full_batches += batch.full
                return batch
            if self._step is None:
                self._step = asyncio.create_task(self._look())
            await asyncio.wait({self._step}, timeout=self._coalescer.due_in_s())
            self._finish_step()
        raise StopAsyncIteration

    async def _look(self) -> Sighting:
        return await self._in_thread(self._lookout.look)

    async def _open(self, pause_s: float) -> Sighting:
        if pause_s:
            await self._sleep(pause_s)
        return await self._in_thread(self._lookout.open)

    async def _in_thread(self, work: Callable[[], Sighting]) -> Sighting:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _survey(self) -> Scope:
        return Scope.survey(self._roots, self._list_directories())

    def _finish_step(self) -> None:
        """Take in what a finished step brought; after a failure the next step is a pause and an opening."""
        if self._step is None or not self._step.done():
            return
        step, self._step = self._step, None
        if step.cancelled():
            return
        if error := step.exception():
            self._fail(error)
        else:
            self._take(step.result())

    def _take(self, sighting: Sighting) -> None:
        self._events += sighting.events
        if sighting.events:
            self._last_event_s = sighting.seen_s
        self._coalescer.add(sighting)

    def _fail(self, error: BaseException) -> None:
        pause_s = self._backoff.next_s()
        self._restarts += 1
        self._last_error = f"{type(error).__name__}: {error}"
        _log.warning("watcher failed, trying again", error=self._last_error, pause_s=pause_s)
        self._step = asyncio.create_task(self._open(pause_s))

    def _mode(self) -> Mode:
        if self._executor is None:
            return "off"
        if not self._lookout.is_open:
            return "scan"
        return "degraded: watch limit" if self._lookout.is_limited else "inotify"
