"""Following the watcher: what is applied, what is survived, which changes made no event."""

import asyncio
import io
import json
import os
import time
from typing import Any

import pytest

from promptd.config.schema import WatchConfig
from promptd.daemon import follow as module
from promptd.daemon.missed_events import MissedEvents
from promptd.engine import procedures
from tests.conftest import Until
from tests.daemon.maintained import WATCH, Maintained


def logged(said: io.StringIO, event: str) -> list[dict[str, Any]]:
    """The lines of one event."""
    lines = map(json.loads, said.getvalue().splitlines())
    return [line for line in lines if line["event"] == event]


@pytest.mark.slow
async def test_two_thousand_files_are_one_batch(
    maintained: Maintained, until: Until, said: io.StringIO
) -> None:
    """A checkout is one line in the log, and a revision for each part of it that keeps the loop for 3 ms."""
    # Half a second of quiet, so that a busy machine cannot make two bursts of one.
    await maintained.watch(WatchConfig(poll_interval=5, debounce=500, max_debounce=5_000))
    await until(lambda: maintained.counts.batches == 1)  # the first look at everything

    def check_out() -> None:
        for number in range(2_000):
            (maintained.root / f"components/{number}.md").write_text("One of many.\n")

    before = maintained.workspace.library.revision
    await asyncio.to_thread(check_out)
    await until(lambda: sum(batch["added"] for batch in logged(said, "batch")) == 2_000)
    batches = logged(said, "batch")
    assert maintained.workspace.library.revision - before <= len(batches) + 2_000 // procedures.READ_AT_ONCE
    assert len(batches) <= 3  # one, unless the disk itself pauses for half a second


async def test_watching_can_be_turned_off_and_on(maintained: Maintained, until: Until) -> None:
    """The mode says so, and what happened meanwhile is found when it begins again."""
    await maintained.watch()
    await until(lambda: maintained.counts.batches == 1)
    assert maintained.maintenance.follower.statistics().mode == "inotify"  # type: ignore[union-attr]
    await maintained.maintenance.follower.watch(WatchConfig(enabled=False))
    assert maintained.maintenance.follower.statistics() == {"mode": "off"}
    await maintained.write("new.md", "New.\n")
    await maintained.maintenance.follower.watch(WATCH)
    await until(lambda: "new.md" in maintained.workspace.library)


async def test_a_batch_that_fails_is_survived(
    maintained: Maintained, until: Until, monkeypatch: pytest.MonkeyPatch, said: io.StringIO
) -> None:
    """One batch is lost and logged; the next one is applied."""
    await maintained.watch()
    await until(lambda: maintained.counts.batches == 1)
    follow = procedures.follow

    def broken(*_: Any) -> Any:
        monkeypatch.setattr(procedures, "follow", follow)
        raise LookupError("an unexpected failure")

    monkeypatch.setattr(procedures, "follow", broken)
    await maintained.write("first.md", "First.\n")
    await until(lambda: maintained.counts.failures == 1)
    await maintained.write("second.md", "Second.\n")
    await until(lambda: "second.md" in maintained.workspace.library)
    assert "an unexpected failure" in said.getvalue()


async def test_a_watcher_that_dies_of_a_bug_is_replaced(
    maintained: Maintained, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own supervisor restarts it after what is foreseen; this is for the rest."""
    monkeypatch.setattr(module, "WATCH_AGAIN_S", 0.01)
    make, made = module.Watcher, list[object]()

    def broken_once(*arguments: Any) -> Any:
        made.append(arguments)
        if len(made) == 1:
            raise LookupError("an unexpected failure")
        return make(*arguments)

    monkeypatch.setattr(module, "Watcher", broken_once)
    await maintained.watch()
    await maintained.write("new.md", "New.\n")
    await until(lambda: "new.md" in maintained.workspace.library)
    assert len(made) == 2


async def test_ignored_names_are_nobodys_business_but_a_swap_of_volumes_is(maintained: Maintained) -> None:
    """`..data` is how Kubernetes exchanges a whole volume."""
    is_ignored = maintained.maintenance.follower.is_ignored
    assert is_ignored(f"{maintained.root}/.git/index")
    assert is_ignored(f"{maintained.root}/commands/.#hello.md")
    assert not is_ignored(f"{maintained.root}/..data")
    assert not is_ignored(f"{maintained.root}/commands/hello.md")
    assert not is_ignored(str(maintained.root))


async def test_a_change_that_no_event_reported_counts_as_missed(maintained: Maintained, until: Until) -> None:
    """A write through a hard link outside the library raises no event in it."""
    outside = maintained.root.parent / "outside.md"
    await asyncio.to_thread(os.link, maintained.root / "components/tone.md", outside)
    await maintained.watch()
    await until(lambda: maintained.counts.batches == 1)
    await asyncio.to_thread(outside.write_text, "Be sly.\n")
    found = await maintained.maintenance.rescans.rescan(maintained.workspace)
    assert found.changed == 1
    assert maintained.counts.missed_events_total == 0, "an event might still be on its way"
    await until(lambda: maintained.counts.missed_events_total == 1)


async def test_a_change_whose_event_comes_after_the_scan_is_not_missed(
    maintained: Maintained, until: Until
) -> None:
    """Edited, added and deleted files that a rescan sees first are explained by their events."""
    maintained.maintenance.follower.missed = MissedEvents(time.monotonic, explained_s=60.0)
    await maintained.watch(
        WatchConfig(poll_interval=5, debounce=400, max_debounce=5_000)
    )  # time to see them first
    await until(lambda: maintained.counts.batches == 1)
    await maintained.write("components/tone.md", "Be brief.\n")
    await maintained.write("new.md", "New.\n")
    await asyncio.to_thread((maintained.root / "commands/other.md").unlink)
    found = await maintained.maintenance.rescans.rescan(maintained.workspace)
    assert (found.changed, found.added, found.removed) == (1, 1, 1)
    suspects = maintained.maintenance.follower.missed.suspects
    assert len(suspects) == 3
    await until(lambda: not maintained.maintenance.follower.missed.suspects)
    assert maintained.counts.missed_events_total == 0


async def test_without_a_watcher_nothing_is_missed(maintained: Maintained) -> None:
    """There were no events to miss."""
    await maintained.write("components/tone.md", "Be brief.\n")
    await maintained.maintenance.rescans.rescan(maintained.workspace)
    assert not maintained.maintenance.follower.missed.suspects
