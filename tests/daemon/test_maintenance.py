"""Maintenance as a whole: the loops at an interval, and another workspace."""

import asyncio
from typing import Any

import pytest

from promptd.engine import procedures
from tests.conftest import Until
from tests.daemon.maintained import Maintained
from tests.daemon.workspaces import workspace_of


async def test_the_timer_rescans_and_survives(
    maintained: Maintained, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its interval, whatever one scan runs into."""
    reconcile = procedures.reconcile

    def broken(*_: Any) -> Any:
        monkeypatch.setattr(procedures, "reconcile", reconcile)
        raise LookupError("an unexpected failure")

    monkeypatch.setattr(procedures, "reconcile", broken)
    maintained.tasks.spawn(maintained.maintenance.rescan_every(0.01))
    await maintained.write("new.md", "New.\n")
    await until(lambda: "new.md" in maintained.workspace.library)
    assert maintained.counts.failures == 1


async def test_the_timer_saves_counts_and_warms_the_hot_set(maintained: Maintained, until: Until) -> None:
    """At its interval: hot.json on disk, and hot texts in the cache."""
    await maintained.maintenance.saved.restore()
    await maintained.ask("commands/hello")
    tone = maintained.workspace.library.get("components/tone.md").digest
    maintained.workspace.texts.discard(tone)
    maintained.tasks.spawn(maintained.maintenance.save_every(0.01))
    await until(lambda: tone in maintained.workspace.texts)
    await until((maintained.state / "hot.json").exists)


async def test_another_workspace_is_warmed_with_what_was_held(maintained: Maintained) -> None:
    """After a reload the prompts that were ready are ready again, and changes during it are found."""
    await maintained.ask("commands/hello")
    workspace = await asyncio.to_thread(workspace_of, maintained.root)
    await maintained.write("components/tone.md", "Be brief.\n")
    await maintained.exchange(workspace)
    await maintained.tasks.done()
    assert maintained.warm_text() == "Hello.\nBe brief.\n"
    workspace.close()
