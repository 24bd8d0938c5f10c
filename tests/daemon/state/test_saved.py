"""What is saved for the next start: when, and what is taken back."""

import asyncio

import pytest

from promptd.daemon.state import saved as module
from promptd.daemon.state.saved import SavedState
from promptd.engine.current import Current
from tests.daemon.maintained import Maintained
from tests.daemon.workspaces import workspace_of


async def test_use_counts_are_saved_and_taken_back(maintained: Maintained) -> None:
    """Also those of a prompt that a change has dropped since."""
    await maintained.maintenance.saved.restore()
    await maintained.ask("commands/hello")
    await maintained.write("commands/hello.md", "Hello again.\n")
    await maintained.maintenance.rescans.rescan(maintained.workspace)
    await maintained.maintenance.saved.save()
    again = Maintained(maintained.root, await asyncio.to_thread(workspace_of, maintained.root))
    await again.maintenance.saved.restore()
    assert set(again.workspace.hot.weights(0.0)) == {"commands/hello.md", "components/tone.md"}
    again.workspace.close()


async def test_counts_are_not_overwritten_before_they_were_taken_back(maintained: Maintained) -> None:
    """A daemon that ends during its start leaves them as they were."""
    kept = maintained.state / "hot.json"
    await asyncio.to_thread(kept.write_text, "as it was")
    await maintained.maintenance.saved.save()
    assert await asyncio.to_thread(kept.read_text) == "as it was"


async def test_what_cannot_be_saved_is_a_problem_for_the_operator(maintained: Maintained) -> None:
    """And by its owner only."""
    await maintained.maintenance.saved.restore()
    assert maintained.maintenance.saved.problems() == []
    await asyncio.to_thread(maintained.state.rmdir)
    await maintained.maintenance.saved.save()
    (problem,) = maintained.maintenance.saved.problems()
    assert problem.startswith("use counts are not saved: ")


async def test_the_index_is_written_when_there_is_news(
    maintained: Maintained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soon after the start, not again for what is known already, at the end for what came since."""
    monkeypatch.setattr(module, "INDEX_EVERY_S", 0.0)
    path = maintained.state / "index.bin"
    await maintained.maintenance.saved.restore()
    await maintained.maintenance.saved.save()
    first = await asyncio.to_thread(path.read_bytes)
    await asyncio.to_thread(path.unlink)
    await maintained.maintenance.saved.save(is_last=True)
    assert not await asyncio.to_thread(path.exists)
    await maintained.write("commands/other.md", "Something new.\n")
    await maintained.maintenance.rescans.rescan(maintained.workspace)
    await maintained.maintenance.saved.save(is_last=True)
    assert await asyncio.to_thread(path.read_bytes) != first


async def test_the_index_is_not_written_all_the_time(maintained: Maintained) -> None:
    """Between the first time and the end an interval lies, however much changes."""
    path = maintained.state / "index.bin"
    await maintained.maintenance.saved.save()
    await asyncio.to_thread(path.unlink)
    await maintained.write("commands/other.md", "Something new.\n")
    await maintained.maintenance.rescans.rescan(maintained.workspace)
    await maintained.maintenance.saved.save()
    assert not await asyncio.to_thread(path.exists)


async def test_a_library_that_is_not_known_yet_is_not_indexed(maintained: Maintained) -> None:
    """A daemon that ends during its start leaves the index of the last one."""
    workspace = await asyncio.to_thread(workspace_of, maintained.root, is_filled=False)
    await SavedState(Current(workspace), maintained.lock).save(is_last=True)
    assert not await asyncio.to_thread((maintained.state / "index.bin").exists)
    workspace.close()
