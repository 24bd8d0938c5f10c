"""Rescans: who shares one with whom."""

import asyncio
import io

from tests.daemon.maintained import Maintained
from tests.daemon.workspaces import workspace_of


async def test_those_who_rescan_at_the_same_time_share_a_scan(
    maintained: Maintained, said: io.StringIO
) -> None:
    """A hundred requests, one scan, one line in the log; and every caller gets what it found."""
    await maintained.write("new.md", "New.\n")
    found = await asyncio.gather(
        *(maintained.maintenance.rescans.rescan(maintained.workspace) for _ in range(100))
    )
    assert {each.added for each in found} == {1}
    assert maintained.counts.rescans == 1
    assert said.getvalue().count('"rescan"') == 1


async def test_a_request_of_a_former_workspace_rescans_that_one(maintained: Maintained) -> None:
    """After a reload, requests in progress still go by the library they began with."""
    former, workspace = maintained.workspace, await asyncio.to_thread(workspace_of, maintained.root)
    await maintained.exchange(workspace)
    await maintained.write("new.md", "New.\n")
    await maintained.maintenance.rescans.rescan(former)
    assert "new.md" in former.library
    assert "new.md" not in workspace.library
    workspace.close()
