"""Subscriptions as a dialogue: a change on disk is applied, each peer gets what concerns it, once."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.errors import InvalidParams, UnknownComponent, UnknownSubscription
from promptd.protocol.methods import PromptParams, UnsubscribeParams
from promptd.protocol.replies import SubscribeReply, UnsubscribeReply
from promptd.server import subscriptions as module
from promptd.server.subscriptions import MAX_SUBSCRIPTIONS_A_PEER, Subscriptions
from tests.conftest import Library
from tests.daemon.workspaces import workspace_of
from tests.server.peers import NotedPeer, Tasks

FILES = {
    "commands/hello.md": "Hello, {name}.\n<include>components/tone.md</include>\n",
    "commands/plain.md": "Nothing included.\n",
    "commands/early.md": "Before.\n<include>components/later.md</include>\n",
    "components/tone.md": "Be kind.\n",
}


class Table:
    """Subscriptions over a real library, whose changes are applied when the test says so."""

    def __init__(self, workspace: Workspace, root: Path) -> None:
        self.workspace = workspace
        self.current = Current(workspace)
        self.root = root
        self.tasks = Tasks()
        self.reports: list[BaseException] = []
        self.subscriptions = Subscriptions(
            self.current, self.tasks.spawn, lambda problem, _method: self.reports.append(problem)
        )
        workspace.observers.append(self.subscriptions.changed)

    async def subscribe(self, peer: NotedPeer, name: str, /, **variables: str) -> SubscribeReply:
        """Subscribe a peer to one name."""
        return await self.subscriptions.subscribe(peer, PromptParams(name=name, variables=dict(variables)))

    async def change(self, **files: str | None) -> None:
        """Write (None: delete) files, `/` as `__`, have the change found, and wait until all was said."""
        for key, text in files.items():
            await asyncio.to_thread(_put, self.root / f"{key.replace('__', '/')}.md", text)
        await self.found()

    async def found(self) -> None:
        """Have changes found, and wait until all was said."""
        await procedures.drive(self.workspace, procedures.reconcile(self.workspace))
        await self.tasks.done()


def _put(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


@pytest.fixture
def table(library: Library) -> Iterator[Table]:
    """Subscriptions to a small library."""
    root = library(FILES)
    workspace = workspace_of(root)
    yield Table(workspace, root)
    workspace.close()


@pytest.fixture
def peer() -> NotedPeer:
    """A peer that subscribes."""
    return NotedPeer()


async def test_a_change_of_content_is_notified(table: Table, peer: NotedPeer) -> None:
    """An included file changes: the new digest, the one before, tokens and clock; each change once."""
    made = await table.subscribe(peer, "commands/hello")
    await table.change(components__tone="Be brief and kind.\n")
    (note,) = peer.notes
    assert note["subscription"] == made.subscription
    assert note["name"] == "commands/hello"
    assert note["previous"] == made.digest
    assert note["digest"] != made.digest
    assert note["clock"] == table.workspace.clock
    assert note["tokens"] == 6
    await table.found()
    assert len(peer.notes) == 1


async def test_what_does_not_change_the_prompt_is_not_notified(table: Table, peer: NotedPeer) -> None:
    """A touched file, a rewritten one with the same text, another file, and a change taken back."""
    await table.subscribe(peer, "commands/hello")
    await asyncio.to_thread(os.utime, table.root / "components/tone.md", (1, 1))
    await table.change(
        components__tone="Be kind.\n", commands__plain="Something.\n", components__new="New.\n"
    )
    assert peer.notes == []
    assert table.subscriptions.statistics().notified == 0


async def test_an_include_that_appears_is_notified(table: Table, peer: NotedPeer) -> None:
    """A missing include is a negative fact of the prompt: when it becomes untrue, so does the prompt."""
    await table.subscribe(peer, "commands/early")
    await table.change(components__later="Here now.\n")
    assert len(peer.notes) == 1
    await table.change(components__later=None)
    assert peer.notes[1]["digest"] == peer.notes[0]["previous"]


async def test_an_error_and_the_recovery_are_notified(table: Table, peer: NotedPeer) -> None:
    """A cycle, another error, another cycle (the same kind), and the prompt as it was."""
    made = await table.subscribe(peer, "commands/hello")
    await table.change(components__tone="<include>commands/hello.md</include>\n")
    assert peer.notes[0]["digest"] is None
    assert peer.notes[0]["previous"] == made.digest
    assert peer.notes[0]["error"]["type"] == "promptd.CycleError"
    await table.change(commands__hello=None)
    assert peer.notes[1]["error"]["type"] == "promptd.UnknownComponent"
    assert peer.notes[1]["previous"] is None
    await table.change(components__unrelated="More.\n")
    assert len(peer.notes) == 2, "the same kind of error is not sent twice"
    await table.change(commands__hello=FILES["commands/hello.md"], components__tone="Be kind.\n")
    assert peer.notes[2]["digest"] == made.digest
    assert "error" not in peer.notes[2]


async def test_a_name_that_becomes_ambiguous_is_notified(table: Table, peer: NotedPeer) -> None:
    """No file of the prompt changed, but its name now means two."""
    await table.subscribe(peer, "commands/plain")
    await asyncio.to_thread((table.root / "commands/plain.txt").write_text, "The other.\n")
    await table.found()
    assert [note["error"]["type"] for note in peer.notes] == ["promptd.AmbiguousName"]


async def test_values_make_their_own_prompt(table: Table, peer: NotedPeer) -> None:
    """Subscriptions to one name with different values have different digests."""
    ada = await table.subscribe(peer, "commands/hello", name="Ada")
    bob = await table.subscribe(peer, "commands/hello", name="Bob")
    assert ada.digest != bob.digest
    await table.change(components__tone="Be brief.\n")
    assert sorted(note["subscription"] for note in peer.notes) == [ada.subscription, bob.subscription]


async def test_many_peers_are_notified_by_one_assembly(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred peers, one prompt: assembled once for all of them after a change."""
    peers = [NotedPeer() for _ in range(100)]
    for peer in peers:
        await table.subscribe(peer, "commands/hello")
    assembled: list[object] = []

    def counted(*arguments: Any) -> Any:
        assembled.append(arguments)
        return assemble(*arguments)

    assemble = procedures.cached_prompt
    monkeypatch.setattr(module.procedures, "cached_prompt", counted)
    await table.change(components__tone="Be brief.\n")
    assert all(len(peer.notes) == 1 for peer in peers)
    assert len(assembled) == 1
    assert table.subscriptions.statistics() == module.SubscriptionStatistics(100, 1, 100)


async def test_who_subscribes_to_the_new_state_is_not_notified_of_it(table: Table, peer: NotedPeer) -> None:
    """A change not applied yet is found by the next subscription; only the first peer is notified."""
    await table.subscribe(peer, "commands/hello")
    await asyncio.to_thread((table.root / "components/tone.md").write_text, "Be brief.\n")
    late = NotedPeer()
    made = await table.subscribe(late, "commands/hello")
    await table.tasks.done()
    assert [note["digest"] for note in peer.notes] == [made.digest]
    assert late.notes == []


async def test_no_peer_is_notified_after_leaving(table: Table, peer: NotedPeer) -> None:
    """Unsubscribed, gone, or closed a moment ago: nothing is said, and nothing is kept."""
    made = await table.subscribe(peer, "commands/hello")
    ended = table.subscriptions.unsubscribe(peer, UnsubscribeParams(made.subscription))
    assert ended == UnsubscribeReply(made.subscription, active=False)
    gone, closing = NotedPeer(), NotedPeer()
    await table.subscribe(gone, "commands/hello")
    await table.subscribe(closing, "commands/hello")
    table.subscriptions.forget(gone)
    closing.is_closed = True
    await table.change(components__tone="Be brief.\n")
    assert peer.notes == gone.notes == closing.notes == []
    table.subscriptions.forget(closing)
    table.subscriptions.forget(NotedPeer())
    assert table.subscriptions.statistics() == module.SubscriptionStatistics(0, 0, 0)
    assert "0 prompts" in repr(table.subscriptions)


async def test_a_peer_that_hangs_up_while_it_subscribes_is_not_kept(table: Table, peer: NotedPeer) -> None:
    """The prompt was being read when the connection ended."""
    peer.is_closed = True
    await table.subscribe(peer, "commands/hello")
    assert table.subscriptions.statistics().active == 0


async def test_what_cannot_be_subscribed_to_is_refused(table: Table, peer: NotedPeer) -> None:
    """A name that does not exist, an id that is not one's own, and more than the limit."""
    with pytest.raises(UnknownComponent):
        await table.subscribe(peer, "commands/nowhere")
    made = await table.subscribe(peer, "commands/hello")
    with pytest.raises(UnknownSubscription, match=str(made.subscription)):
        table.subscriptions.unsubscribe(NotedPeer(), UnsubscribeParams(made.subscription))
    for _ in range(MAX_SUBSCRIPTIONS_A_PEER - 1):
        await table.subscribe(peer, "commands/plain")
    with pytest.raises(InvalidParams, match=str(MAX_SUBSCRIPTIONS_A_PEER)):
        await table.subscribe(peer, "commands/plain")
    await table.subscribe(NotedPeer(), "commands/plain")


async def test_the_limit_holds_for_those_who_ask_all_at_once(table: Table, peer: NotedPeer) -> None:
    """Requests that wait for a file at the same time cannot slip past it together."""
    for _ in range(MAX_SUBSCRIPTIONS_A_PEER - 1):
        await table.subscribe(peer, "commands/plain")
    asked: list[Awaitable[object]] = [table.subscribe(peer, "commands/hello") for _ in range(10)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(outcome, InvalidParams) for outcome in outcomes) == 9


async def test_the_unforeseen_costs_one_topic(
    table: Table, peer: NotedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported; the others are notified all the same, and that one is looked at again next time."""
    await table.subscribe(peer, "commands/hello")
    await table.subscribe(peer, "commands/plain")
    attempt = table.workspace.attempt

    def broken(attempted: Any, sweep: Any) -> Any:
        if attempted.request.names == ("commands/hello",):
            raise LookupError("an unexpected failure")
        return attempt(attempted, sweep)

    monkeypatch.setattr(table.workspace, "attempt", broken)
    await table.change(components__tone="Be brief.\n", commands__plain="Something.\n")
    assert [note["name"] for note in peer.notes] == ["commands/plain"]
    assert len(table.reports) == 1
    monkeypatch.undo()
    await table.change(components__unrelated="More.\n")
    assert [note["name"] for note in peer.notes] == ["commands/plain", "commands/hello"]


async def test_a_reload_looks_at_everything(table: Table, peer: NotedPeer, library: Library) -> None:
    """Another workspace (another configuration) may assemble the same names to something else."""
    made = await table.subscribe(peer, "commands/hello", name="Ada")
    make: Callable[[], Workspace] = lambda: workspace_of(table.root, library__variables={"name": "Bob"})  # noqa: E731
    table.current.workspace = await asyncio.to_thread(make)
    table.subscriptions.assemble_all()
    await table.tasks.done()
    assert peer.notes == [], "given values win over configured ones"
    other = await table.subscribe(peer, "commands/hello")
    table.current.workspace = table.workspace
    table.subscriptions.assemble_all()
    await table.tasks.done()
    assert [note["subscription"] for note in peer.notes] == [other.subscription]
    assert peer.notes[0]["previous"] != made.digest


async def test_being_watched_does_not_make_a_prompt_hot(table: Table, peer: NotedPeer) -> None:
    """What is assembled for notifications is not counted as a use."""
    await table.subscribe(peer, "commands/hello")
    await table.change(components__tone="Be brief.\n")
    table.workspace.fold_uses(0.0)
    assert table.workspace.hot.statistics().tracked == 0
