"""watcher.py over fake notifiers: what the supervisor does when watching fails, and how it ends."""

import asyncio
import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

import pytest

from promptd.watch import watcher as supervisor
from promptd.watch.debounce import Batch
from promptd.watch.watch_thread import Ports
from promptd.watch.watcher import (
    FIRST_PAUSE_S,
    FORGET_AFTER_S,
    LONGEST_PAUSE_S,
    SCAN_SHARE,
    Backoff,
    Timing,
    Watcher,
)
from tests.watch.fakes import (
    FakeHeartbeat,
    FakeNotifiers,
    FakeTable,
    ManualClock,
)

QUICK = Timing(step_ms=1, settle_ms=2, max_settle_ms=50)
LIB = "/nowhere/lib"


def just_the_root(_: str | None) -> Mapping[str, str]:
    """A listing of a library with one directory, which need not exist."""
    return {LIB: LIB}


@pytest.fixture(autouse=True)
def _everything_is_watchable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories that do not exist may be watched here."""
    monkeypatch.setattr(os, "access", lambda *_, **__: True)


def watcher_over(
    notifiers: FakeNotifiers,
    list_directories: Callable[[str | None], Mapping[str, str]] = just_the_root,
    *,
    table: FakeTable | None = None,
    timing: Timing = QUICK,
    clock: Callable[[], float] = time.monotonic,
) -> Watcher:
    """A watcher over fakes, on a library that need not exist."""

    def ports() -> Ports:
        return Ports(
            make=notifiers,
            mounts=table or FakeTable(root="ext4"),
            heartbeat=FakeHeartbeat(notifiers),
            clock=clock,
        )

    return Watcher([LIB], list_directories, lambda _: False, timing, make_ports=ports)


async def next_batch(watcher: Watcher) -> Batch:
    """The next batch, or a failed test."""
    async with asyncio.timeout(5):
        return await anext(watcher)


async def test_the_first_batch_asks_for_a_full_scan() -> None:
    """Whatever happened before the watches were in place is found by a scan."""
    watcher = watcher_over(FakeNotifiers())
    assert watcher.statistics().mode == "off"
    async with watcher:
        assert watcher.statistics().mode == "inotify"
        assert (await next_batch(watcher)).full
    assert watcher.statistics().mode == "off"


async def test_events_become_batches_and_are_counted() -> None:
    """One event, one batch; statistics tell both and how long ago the last one came."""
    notifiers = FakeNotifiers()
    async with watcher_over(notifiers) as watcher:
        await next_batch(watcher)
        notifiers.last.say({f"{LIB}/a.md"})
        batch = await next_batch(watcher)
        statistics = watcher.statistics()
    assert batch.paths == {f"{LIB}/a.md"}
    assert (statistics.batches, statistics.full_batches, statistics.events) == (2, 1, 1)
    assert statistics.last_event_age_s is not None
    assert 0 <= statistics.last_event_age_s < 5
    assert statistics.watcher_restarts_total == 0
    assert (statistics.directories, statistics.notifiers, statistics.scans) == (2, 1, 0)


async def test_a_broken_notifier_is_replaced_and_a_full_scan_follows() -> None:
    """An error of the notifier costs one pause; afterwards events arrive again."""
    notifiers = FakeNotifiers()
    async with watcher_over(notifiers) as watcher:
        await next_batch(watcher)
        broken = notifiers.last
        broken.say(RuntimeError('Unable to decode path "/nowhere/lib/\\xFF" to string'))
        await until_full(watcher)
        assert broken.is_closed
        notifiers.last.say({f"{LIB}/a.md"})
        assert (await next_batch(watcher)).covers(f"{LIB}/a.md")
        statistics = watcher.statistics()
    assert statistics.watcher_restarts_total == 1
    assert statistics.last_error.startswith("RuntimeError: Unable to decode path")
    assert statistics.mode == "inotify"


async def until_full(watcher: Watcher) -> None:
    """Take batches until a full one came after which the watches are in place again."""
    while not ((await next_batch(watcher)).full and watcher.statistics().mode == "inotify"):
        pass


async def test_a_panic_in_rust_is_a_failure_like_any_other() -> None:
    """It is no Exception, and must not end the thread."""

    class PanicException(BaseException):
        pass

    notifiers = FakeNotifiers()
    async with watcher_over(notifiers) as watcher:
        await next_batch(watcher)
        panicking = notifiers.last

        def panic() -> set[str]:
            raise PanicException("poisoned")

        panicking.drain = panic  # type: ignore[method-assign]
        await until_full(watcher)
        assert watcher.statistics().last_error == "PanicException: poisoned"


async def test_failing_at_first_is_no_error() -> None:
    """Entering does not fail; while nothing is watched the batches are scans, and in the end it works."""
    notifiers = FakeNotifiers(*[OSError("no inotify here")] * 2)
    async with watcher_over(notifiers) as watcher:
        assert watcher.statistics().mode == "degraded: no watches"
        assert (await next_batch(watcher)).full
        assert watcher.statistics().scans == 1
        await until_full(watcher)
        assert watcher.statistics().watcher_restarts_total == 2


async def test_a_failing_survey_is_a_failure_like_any_other() -> None:
    """An exception out of `list_directories` is counted and survived."""
    surveys: list[int] = []

    def list_directories(_: str | None) -> Mapping[str, str]:
        surveys.append(1)
        if len(surveys) == 1:
            raise OSError("stale file handle")
        return {LIB: LIB}

    async with watcher_over(FakeNotifiers(), list_directories) as watcher:
        await until_full(watcher)
        assert watcher.statistics().last_error == "OSError: stale file handle"


async def test_distrust_makes_all_watches_again() -> None:
    """A change without an event was reported."""
    notifiers = FakeNotifiers()
    async with watcher_over(notifiers) as watcher:
        await next_batch(watcher)
        assert watcher.is_watched(f"{LIB}/a.md")
        assert not watcher.is_watched("/elsewhere/a.md")
        old = notifiers.last
        watcher.distrust("1 change without an event")
        await until_full(watcher)
        assert old.is_closed
        assert watcher.statistics().watcher_restarts_total == 1
        assert watcher.statistics().last_error == "WatchLost: 1 change without an event"


def test_a_watcher_that_is_not_entered_reports_nothing() -> None:
    """Before it is entered there is no thread to ask."""
    watcher = watcher_over(FakeNotifiers())
    watcher.distrust("not entered")
    assert not watcher.is_watched(f"{LIB}/a.md")


# -- where events cannot be relied on ---------------------------------------------------------


async def test_the_watch_limit_is_said_in_the_mode_and_scanned_for() -> None:
    """With some directories unwatched the mode is degraded, and scans find what happens there."""
    below = {f"{LIB}/{number}": f"{LIB}/{number}" for number in range(9)}
    timing = Timing(1, 2, 50, scan_s=0.01)
    async with watcher_over(FakeNotifiers(most=4), lambda _: below, timing=timing) as watcher:
        statistics = watcher.statistics()
        for _ in range(3):
            assert (await next_batch(watcher)).full
        assert watcher.statistics().scans >= 1
    assert statistics.mode == "degraded: watch limit"
    assert (statistics.directories, statistics.directories_unwatched) == (2, 8)


@pytest.mark.parametrize(("kind", "mode"), [("nfs4", "scan"), ("overlay", "inotify+scan")])
async def test_a_file_system_without_events_is_scanned(kind: str, mode: str) -> None:
    """Batches come by themselves, and each asks for a full scan."""
    watcher = watcher_over(FakeNotifiers(), table=FakeTable(root=kind), timing=Timing(1, 2, 50, 0.01))
    async with watcher:
        for _ in range(4):
            assert (await next_batch(watcher)).full
        statistics = watcher.statistics()
    assert statistics.mode == mode
    assert statistics.scans >= 3
    assert statistics.directories_scanned == 1


async def test_scans_leave_most_of_the_time_to_others() -> None:
    """After a scan that took the reader 1 s, 20 s pass before the next; after a quick one `scan_s`."""
    clock = ManualClock()
    timing = Timing(1, 0, 50, scan_s=2.0)
    async with watcher_over(
        FakeNotifiers(), table=FakeTable(root="nfs4"), timing=timing, clock=clock
    ) as watcher:
        await next_batch(watcher)
        for took_s, pause_s in ((1.0, SCAN_SHARE * 1.0), (0.01, 2.0)):
            clock.advance(took_s)
            waiting = asyncio.create_task(anext(watcher))
            await asyncio.sleep(0)
            assert watcher._due_in_s() == pytest.approx(pause_s)
            clock.advance(pause_s)
            watcher._wakeup.set()
            async with asyncio.timeout(5):
                assert (await waiting).full


# -- the end ----------------------------------------------------------------------------------


async def test_a_cancelled_wait_loses_nothing() -> None:
    """A reader that gives up waiting (a timeout) finds the event in its next call."""
    notifiers = FakeNotifiers()
    async with watcher_over(notifiers) as watcher:
        await next_batch(watcher)
        waiting = asyncio.create_task(anext(watcher))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        notifiers.last.say({f"{LIB}/a.md"})
        assert (await next_batch(watcher)).covers(f"{LIB}/a.md")


async def test_closing_ends_the_iteration_of_another_task() -> None:
    """`async for` in one task ends cleanly when another one closes the watcher."""
    watcher = watcher_over(FakeNotifiers())
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


async def test_closing_does_not_wait_for_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher in a pause of half a minute closes long before that is over."""
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", LONGEST_PAUSE_S)
    watcher = watcher_over(FakeNotifiers(*[OSError("no")] * 8))
    async with watcher:
        while watcher.statistics().watcher_restarts_total < 1:
            await next_batch(watcher)
        started_s = time.monotonic()
    assert time.monotonic() - started_s < LONGEST_PAUSE_S / 3


async def test_closing_does_not_wait_for_a_slow_survey() -> None:
    """A survey that hangs on a dead file system holds up neither the loop nor the end: it hangs still."""
    hangs, go_on, is_over = threading.Event(), threading.Event(), threading.Event()

    def list_directories(_: str | None) -> Mapping[str, str]:
        if hangs.is_set():
            go_on.wait(10)
            is_over.set()
        return {LIB: LIB}

    notifiers = FakeNotifiers()
    watcher = watcher_over(notifiers, list_directories)
    async with watcher:
        await next_batch(watcher)
        hangs.set()
        notifiers.last.say({LIB})
        waiting = asyncio.create_task(anext(watcher))
        await asyncio.sleep(0)
        await watcher.aclose()
        was_over = is_over.is_set()
        go_on.set()
        await asyncio.gather(waiting, return_exceptions=True)
        await watcher._ended.wait()
    assert not was_over


async def test_an_unread_error_is_not_logged_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Closing while a failure is unseen leaves no error in the log."""
    notifiers = FakeNotifiers()
    watcher = watcher_over(notifiers)
    async with watcher:
        await next_batch(watcher)
        notifiers.last.say(RuntimeError("late"))
    del watcher
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_thread_that_outlives_its_loop_ends_quietly() -> None:
    """A survey that hung until the event loop was closed raises nothing."""
    hangs, is_hanging, go_on = threading.Event(), threading.Event(), threading.Event()

    def list_directories(_: str | None) -> Mapping[str, str]:
        if hangs.is_set():
            is_hanging.set()
            go_on.wait(10)
        return {LIB: LIB}

    async def live() -> None:
        notifiers = FakeNotifiers()
        async with watcher_over(notifiers, list_directories) as watcher:
            await next_batch(watcher)
            hangs.set()
            notifiers.last.say({LIB})
            await asyncio.to_thread(is_hanging.wait, 10)

    asyncio.run(live())
    (thread,) = (each for each in threading.enumerate() if each.name == "promptd-watch")
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()


def test_pauses_start_afresh_after_a_long_life() -> None:
    """The pause doubles up to its limit, and is short again when the last failure is long past."""
    clock = ManualClock()
    backoff = Backoff(clock)
    pauses = [backoff.next_s() for _ in range(40)]
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S
    clock.advance(FORGET_AFTER_S + 1)
    assert backoff.next_s() == FIRST_PAUSE_S


@pytest.mark.parametrize(
    ("timing", "busy_s"), [(Timing(20, 10), 0.005), (Timing(5, 30), 0.005), (Timing(20, 0), 0.001)]
)
def test_a_burst_is_polled_twice_within_the_debounce_time(timing: Timing, busy_s: float) -> None:
    """Unless polls are that close anyway; at least 1 ms apart."""
    assert timing.intervals.busy_s == busy_s


async def test_repr_tells_the_state() -> None:
    """The repr shows mode and counts."""
    async with watcher_over(FakeNotifiers()) as watcher:
        assert repr(watcher) == "<Watcher inotify, 0 batches>"
