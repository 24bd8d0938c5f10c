"""watcher.py over fake notifiers: what the supervisor does when watching fails, and how it ends."""

import asyncio
import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from promptd.watch.changes import Batch
from promptd.watch.watcher import (
    FIRST_PAUSE_S,
    FORGET_AFTER_S,
    LONGEST_PAUSE_S,
    RELEASE_S,
    Backoff,
    Inotify,
    Timing,
    Watcher,
    await_instances,
    inotify_instances,
)
from tests.watch.fakes import FakeNotifiers, ManualClock

QUICK = Timing(step_ms=1, settle_ms=2, max_settle_ms=50)


class Pauses:
    """A sleep that notes how long it was asked for, and returns at once unless it is held."""

    def __init__(self) -> None:
        self.asked_s: list[float] = []
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, seconds: float) -> None:
        """Sleep in name only."""
        self.asked_s.append(seconds)
        await self.free.wait()


def watcher_over(
    notifiers: Callable[[Sequence[str]], Any],
    pauses: Pauses,
    list_directories: Callable[[], Sequence[str]] = lambda: ["/nowhere/lib"],
) -> Watcher:
    """A watcher over fakes, on a library that need not exist."""
    return Watcher(
        ["/nowhere/lib"], list_directories, lambda _: False, QUICK, make_notifier=notifiers, sleep=pauses
    )


async def next_batch(watcher: Watcher) -> Batch:
    """The next batch, or a failed test."""
    async with asyncio.timeout(5):
        return await anext(watcher)


async def test_the_first_batch_asks_for_a_full_scan() -> None:
    """Whatever happened before the watches were in place is found by a scan."""
    watcher = watcher_over(FakeNotifiers(), Pauses())
    assert watcher.statistics().mode == "off"
    async with watcher:
        assert watcher.statistics().mode == "inotify"
        assert (await next_batch(watcher)).full
    assert watcher.statistics().mode == "off"


async def test_events_become_batches_and_are_counted() -> None:
    """One event, one batch; statistics tell both and how long ago the last one came."""
    notifiers = FakeNotifiers()
    async with watcher_over(notifiers, Pauses()) as watcher:
        await next_batch(watcher)
        notifiers.last.say({"/nowhere/lib/a.md"})
        batch = await next_batch(watcher)
        statistics = watcher.statistics()
    assert batch.paths == {"/nowhere/lib/a.md"}
    assert (statistics.batches, statistics.full_batches, statistics.events) == (2, 1, 1)
    assert statistics.last_event_age_s is not None
    assert 0 <= statistics.last_event_age_s < 5
    assert statistics.restarts == 0


async def test_a_broken_notifier_is_replaced_and_a_full_scan_follows() -> None:
    """An error of the notifier costs one pause; afterwards events flow again."""
    notifiers, pauses = FakeNotifiers(), Pauses()
    async with watcher_over(notifiers, pauses) as watcher:
        await next_batch(watcher)
        broken = notifiers.last
        broken.say(RuntimeError('Unable to decode path "/nowhere/lib/\\xFF" to string'))
        assert (await next_batch(watcher)).full
        assert broken.is_closed
        assert notifiers.last is not broken
        notifiers.last.say({"/nowhere/lib/a.md"})
        assert (await next_batch(watcher)).covers("/nowhere/lib/a.md")
        statistics = watcher.statistics()
    assert pauses.asked_s == [FIRST_PAUSE_S]
    assert statistics.restarts == 1
    assert statistics.last_error.startswith("RuntimeError: Unable to decode path")
    assert statistics.mode == "inotify"


async def test_failing_again_and_again_pauses_longer_each_time() -> None:
    """Entering does not fail; each further failure doubles the pause, and success brings a full scan."""
    notifiers, pauses = FakeNotifiers(*[OSError("no inotify here")] * 4), Pauses()
    async with watcher_over(notifiers, pauses) as watcher:
        assert watcher.statistics().mode == "scan"
        assert (await next_batch(watcher)).full
        assert watcher.statistics().restarts == 4
    assert pauses.asked_s == [FIRST_PAUSE_S * 2**doubled for doubled in range(4)]


async def test_a_failing_survey_is_a_failure_like_any_other() -> None:
    """An exception out of `list_directories` is counted and survived."""
    surveys: list[int] = []

    def list_directories() -> Sequence[str]:
        surveys.append(1)
        if len(surveys) == 1:
            raise OSError("stale file handle")
        return []

    async with watcher_over(FakeNotifiers(), Pauses(), list_directories) as watcher:
        assert (await next_batch(watcher)).full
        assert watcher.statistics().last_error == "OSError: stale file handle"


async def test_the_watch_limit_is_said_in_the_mode() -> None:
    """With some directories unwatched the mode is degraded, and the number of them is told."""
    below = [f"/nowhere/lib/{number}" for number in range(9)]
    async with watcher_over(FakeNotifiers(most=0), Pauses(), lambda: below) as watcher:
        assert watcher.statistics().mode == "scan"
    # "/" is all that exists of these, so let everything pass the survey:
    async with Watcher(
        ["/proc/self"],
        lambda: ["/proc/self/fd", "/proc/self/task", "/proc/self/ns"],
        lambda _: False,
        QUICK,
        make_notifier=FakeNotifiers(most=2),
    ) as watcher:
        statistics = watcher.statistics()
    assert statistics.mode == "degraded: watch limit"
    assert statistics.directories == 2
    assert statistics.directories_unwatched >= 2


async def test_a_cancelled_wait_loses_nothing() -> None:
    """A reader that gives up waiting (a timeout) finds the event in its next call."""
    notifiers = FakeNotifiers()
    async with watcher_over(notifiers, Pauses()) as watcher:
        await next_batch(watcher)
        waiting = asyncio.create_task(anext(watcher))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        notifiers.last.say({"/nowhere/lib/a.md"})
        assert (await next_batch(watcher)).covers("/nowhere/lib/a.md")


async def test_closing_ends_the_iteration_of_another_task() -> None:
    """`async for` in one task ends cleanly when another one closes the watcher."""
    watcher = watcher_over(FakeNotifiers(), Pauses())
    first = asyncio.Event()
    batches: list[Batch] = []

    async def read() -> None:
        async for batch in watcher:
            batches.append(batch)
            first.set()

    async with watcher:
        reader = asyncio.create_task(read())
        await first.wait()
        await watcher.aclose()
        async with asyncio.timeout(5):
            await reader
    assert len(batches) == 1


async def test_closing_does_not_wait_for_a_pause() -> None:
    """A watcher in its longest pause closes at once."""
    pauses = Pauses()
    pauses.free.clear()
    started_s = time.monotonic()
    async with watcher_over(FakeNotifiers(OSError("no")), pauses) as watcher:
        waiting = asyncio.create_task(anext(watcher))
        await asyncio.sleep(0)
    assert time.monotonic() - started_s < 1.0
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], StopAsyncIteration)


async def test_closing_does_not_wait_for_a_slow_survey() -> None:
    """A survey that hangs on a dead file system holds up neither the loop nor the end for 100 ms."""
    hangs, go_on = threading.Event(), threading.Event()

    def list_directories() -> Sequence[str]:
        if hangs.is_set():
            go_on.wait(10)
        return []

    notifiers = FakeNotifiers()
    watcher = watcher_over(notifiers, Pauses(), list_directories)
    async with watcher:
        await next_batch(watcher)
        hangs.set()
        notifiers.last.say({"/nowhere"})
        waiting = asyncio.create_task(anext(watcher))
        await asyncio.sleep(0)
        started_s = time.monotonic()
        await watcher.aclose()
        took_s = time.monotonic() - started_s
        go_on.set()
        await asyncio.gather(waiting, return_exceptions=True)
    assert took_s < 0.1


async def test_an_error_that_nobody_read_is_not_shouted_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Closing while a step has failed unseen leaves no "exception was never retrieved"."""
    notifiers = FakeNotifiers()
    watcher = watcher_over(notifiers, Pauses())
    async with watcher:
        await next_batch(watcher)
        waiting = asyncio.create_task(anext(watcher))
        await asyncio.sleep(0)
        waiting.cancel()
        notifiers.last.say(RuntimeError("late"))
        step = watcher._step
        assert step is not None
        await asyncio.wait({step}, timeout=5)
    del step, watcher, waiting
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_pauses_start_afresh_after_a_long_life() -> None:
    """The pause doubles up to its limit, and is short again when the last failure is long past."""
    clock = ManualClock()
    backoff = Backoff(clock)
    pauses = [backoff.next_s() for _ in range(40)]
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S
    clock.advance(FORGET_AFTER_S + 1)
    assert backoff.next_s() == FIRST_PAUSE_S


def test_without_proc_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc does not tell of inotify instances, closing one does not wait."""

    def refuse(_: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    assert inotify_instances() == 0
    started_s = time.monotonic()
    await_instances(0)
    assert time.monotonic() - started_s < RELEASE_S


def test_an_instance_of_somebody_else_is_not_waited_for_long(tmp_path: Path) -> None:
    """The wait for a closed instance is bounded."""
    theirs = Inotify([str(tmp_path)])
    started_s = time.monotonic()
    await_instances(0)
    assert RELEASE_S <= time.monotonic() - started_s < 20 * RELEASE_S
    theirs.close()


async def test_repr_tells_the_state() -> None:
    """The repr shows mode and counts."""
    async with watcher_over(FakeNotifiers(), Pauses()) as watcher:
        assert repr(watcher) == "<Watcher inotify, 1 directories, 0 batches>"
