"""The handler as a dialogue: a turn's calls in, answers out; the peers are fakes, the library is real."""

import asyncio
import gc
import io
import json
import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptd.core.assembly.prompt import Prompt
from promptd.core.syntax import component
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.errors import (
    Busy,
    Internal,
    InvalidParams,
    PermissionDenied,
    PromptdError,
    UnknownComponent,
)
from promptd.protocol.calls import Call
from promptd.protocol.peers import Peer
from promptd.protocol.request import Request
from promptd.server import dispatch as module
from promptd.server import recognised
from promptd.server.dispatch import UNKNOWN, Dispatcher
from promptd.sources.worktree.sweep import Sweep
from promptd.support import log
from tests.conftest import Library, Until
from tests.daemon.workspaces import workspace_of
from tests.server.peers import NotedPeer, Tasks, call_of

FILES = {
    "commands/hello.md": "Hello, {name}.\n<include>components/tone.md</include>\n",
    "components/tone.md": "Be kind.\n",
    "commands/other.md": "Something else.\n",
}


ADMINISTRATOR = 4243


class Table:
    """A handler with everything around it."""

    def __init__(self, workspace: Workspace, **services: Callable[..., Any]) -> None:
        self.tasks = Tasks()
        self.reports: list[tuple[BaseException, str]] = []
        self.reconciled: list[Workspace] = []
        self.current = Current(workspace)
        self.handler = Dispatcher(
            self.current,
            services,
            self.tasks.spawn,
            lambda *report: self.reports.append(report),
            self._reconcile,
            admin_uids=(ADMINISTRATOR,),
        )
        self.peer = NotedPeer(self.handler)

    async def _reconcile(self, workspace: Workspace) -> procedures.Reconciled:
        self.reconciled.append(workspace)
        return await procedures.drive(workspace, procedures.reconcile(workspace))

    def turn(self, *calls: Call) -> list[asyncio.Future[bytes]]:
        """One turn of the loop brings these calls; their answers, as far as they are there already."""
        answers = [self.peer.expect(call) for call in calls]
        self.handler.turn([(self.peer, call) for call in calls])
        return answers

    async def ask(self, call: Call) -> Any:
        """Hand over one call and wait for its answer."""
        (answer,) = self.turn(call)
        return json.loads(await answer)


@pytest.fixture
def root(library: Library) -> Path:
    """A small library."""
    return library(FILES)


@pytest.fixture
def workspace(root: Path) -> Iterator[Workspace]:
    """A workspace that has read it."""
    kept = workspace_of(root)
    yield kept
    kept.close()


@pytest.fixture
def aged(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace to which signatures prove something at once; a test's files are all younger than 2 s."""
    monkeypatch.setattr(component, "RACY_WINDOW_NS", 0)
    kept = workspace_of(root)
    yield kept
    kept.close()


@pytest.fixture
def table(workspace: Workspace) -> Table:
    """A handler without services."""
    return Table(workspace)


# -- the hot path -------------------------------------------------------------------------------


async def test_what_was_asked_before_is_answered_in_the_same_turn(aged: Workspace) -> None:
    """Known parameters and a prompt that still holds: no task, no await."""
    table = Table(aged)
    call = lambda identity: call_of("assemble", identity, name="commands/hello", variables={"name": "Ada"})  # noqa: E731
    first = await table.ask(call(1))
    assert first["text"] == "Hello, Ada.\nBe kind.\n"
    tasks = len(table.tasks.all)
    answers = table.turn(call(2), call(3))
    assert [json.loads(answer.result()) for answer in answers] == [first, first]
    assert len(table.tasks.all) == tasks


async def test_a_change_before_the_next_turn_is_in_its_answer(aged: Workspace, root: Path) -> None:
    """Without an event: the sweep of the turn sees it."""
    table = Table(aged)
    await table.ask(call_of("assemble", name="commands/hello"))
    (root / "components/tone.md").write_text("Be brief.\n")
    answer = await table.ask(call_of("assemble", name="commands/hello"))
    assert answer["text"] == "Hello, {name}.\nBe brief.\n"


async def test_a_turn_shares_one_sweep(aged: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls came in one turn, each file is looked at once."""
    table = Table(aged)
    await table.ask(call_of("assemble", name="commands/hello"))
    sweeps: list[Sweep] = []

    def counted() -> Sweep:
        sweeps.append(Sweep(aged.source))
        return sweeps[-1]

    monkeypatch.setattr(aged.source, "check", counted)
    answers = table.turn(*(call_of("assemble", number, name="commands/hello") for number in range(20)))
    assert all(answer.done() for answer in answers)
    assert len(sweeps) == 1


async def test_an_unchanged_prompt_is_said_in_few_bytes(aged: Workspace) -> None:
    """An etag is answered as such every time, and is never taken for a request without one."""
    table = Table(aged)
    etag = (await table.ask(call_of("assemble", name="commands/hello")))["etag"]
    for _ in range(2):
        answer = await table.ask(call_of("assemble", name="commands/hello", etag=etag))
        assert answer["unchanged"] is True
        assert "text" not in answer
    assert "text" in await table.ask(call_of("assemble", name="commands/hello"))


async def test_what_is_only_looked_at_is_no_use(aged: Workspace) -> None:
    """However often: it is never answered as a request that counts."""
    table = Table(aged)
    for _ in range(3):
        await table.ask(call_of("assemble", name="commands/hello", count_use=False))
    aged.fold_uses(0.0)
    assert aged.hot.statistics().tracked == 0


async def test_what_is_recognised_is_bounded(aged: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long parameters are not remembered, and of short ones only so many."""
    monkeypatch.setattr(recognised, "MAX_RECOGNISED", 3)
    table = Table(aged)
    long = "x" * recognised.MAX_RECOGNISED_BYTES
    for number in range(3):
        await table.ask(call_of("assemble", number, name="commands/other", variables={"v": long}))
    assert table.handler.statistics().fast_path_requests == 0
    for identity, value in enumerate([*range(10)] * 3):
        await table.ask(call_of("assemble", identity, name="commands/other", variables={"v": value}))
    assert table.handler.statistics().fast_path_requests == 0
    await table.ask(call_of("assemble", name="commands/other", variables={"v": 9}))
    assert table.handler.statistics().fast_path_requests == 1


# -- everything else ----------------------------------------------------------------------------


async def test_methods_without_a_procedure_are_services(workspace: Workspace) -> None:
    """They get the peer and checked parameters, and may answer now or later."""

    async def later(_peer: NotedPeer, _params: object) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"status": "ok"}

    table = Table(workspace, ping=lambda peer, _params: {"pid": peer.pid}, health=later)
    assert await table.ask(call_of("ping")) == {"pid": os.getpid()}
    assert table.tasks.all == []
    assert await table.ask(call_of("health")) == {"status": "ok"}


async def test_whole_library_calls_use_the_shared_reconcile(
    table: Table, workspace: Workspace, root: Path
) -> None:
    """list, check, graph, dependents and reconcile look at the disk through what was handed in."""
    (root / "new.md").write_text("New.\n")
    assert (await table.ask(call_of("list")))["total"] == 4
    for method, params in (("check", {}), ("graph", {}), ("dependents", {"name": "new"}), ("rescan", {})):
        await table.ask(call_of(method, **params))
    assert table.reconciled == [workspace] * 5


async def test_notifications_are_settled_without_a_word(table: Table) -> None:
    """A call without an id is handed to the peer like any other, which sends nothing for it."""
    calls = [call_of("assemble", None, name="commands/hello"), call_of("nonsense", None)]
    table.handler.turn([(table.peer, call) for call in calls])
    await table.tasks.done()
    assert all(call.is_answered for call in calls)


async def test_a_peer_that_is_gone_is_forgotten_by_everyone(table: Table) -> None:
    """All that keep something for a peer are called."""
    gone: list[object] = []
    table.handler.on_closed.append(gone.append)
    table.handler.closed(table.peer)
    assert gone == [table.peer]


async def test_after_a_reload_the_new_workspace_answers(table: Table, tmp_path: Path) -> None:
    """One assignment to the holder does it; a call in progress is answered by the workspace it began with."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other/only.md").write_text("One.\n")
    other = await asyncio.to_thread(workspace_of, tmp_path / "other")
    (slow,) = table.turn(call_of("list", 1))
    table.current.workspace = other
    assert json.loads(await slow)["total"] == 3
    assert (await table.ask(call_of("list", 2)))["total"] == 1
    other.close()


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (call_of("nonsense"), "promptd.MethodNotFound", "there are: assemble"),
        (call_of("n" * 10_000), "promptd.MethodNotFound", "nnn"),
        (call_of("assemble"), "promptd.InvalidParams", "`name`"),
        (call_of("assemble", name=7), "promptd.InvalidParams", "name"),
        (call_of("assemble", nmae="x"), "promptd.InvalidParams", "nmae"),
        (Call(b"1", "assemble", b"[1]"), "promptd.InvalidParams", "assemble"),
        (call_of("assemble", name="commands/helo"), "promptd.UnknownComponent", "commands/hello.md"),
        (call_of("assemble", name="../etc/passwd"), "promptd.OutsideRoot", "leads out of the library"),
    ],
    ids=["method", "long method", "no name", "type", "key", "list", "component", "outside"],
)
async def test_what_cannot_be_answered_is_refused_by_name(
    table: Table, call: Call, kind: str, said: str
) -> None:
    """Each refusal is a leaf of errors.py, with a sentence that is not longer than the request deserves."""
    with pytest.raises(PromptdError) as caught:
        await table.ask(Call(call.id, call.method, call.params))
    assert caught.value.type == kind
    assert said in caught.value.message
    assert len(caught.value.message) < 1_000
    assert table.reports == []


def broken(*_: object) -> None:
    """A service with a bug."""
    raise LookupError("an unexpected failure")


async def broken_later(*_: object) -> None:
    """A service with a bug further on."""
    raise LookupError("an unexpected failure")


@pytest.mark.parametrize("service", [broken, broken_later, lambda *_: {"unheard": object()}])
async def test_the_unforeseen_costs_one_answer(workspace: Workspace, service: Callable[..., Any]) -> None:
    """It is reported once and answered as Internal; the other calls of the turn are answered."""
    table = Table(workspace, ping=service, version=lambda *_: {"version": "1"})
    before, failed, after = table.turn(call_of("version", 1), call_of("ping", 2), call_of("version", 3))
    assert [await before, await after] == [b'{"version":"1"}'] * 2
    with pytest.raises(Internal, match="unforeseen"):
        await failed
    assert [method for _, method in table.reports] == ["ping"]


async def test_a_bug_in_the_engine_costs_one_answer(aged: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it shows on the hot path, where no task stands between it and the turn."""
    table = Table(aged)
    await table.ask(call_of("assemble", name="commands/hello"))
    current = aged.current

    def broken_for_one(request: Request, sweep: Sweep) -> Prompt | None:
        return broken() if request.names == ("commands/hello",) else current(request, sweep)

    monkeypatch.setattr(aged, "current", broken_for_one)
    failed, answered = table.turn(
        call_of("assemble", 5, name="commands/hello"), call_of("assemble", 6, name="commands/other")
    )
    with pytest.raises(Internal, match="LookupError"):
        await failed
    assert json.loads(await answered)["text"] == "Something else.\n"


# -- stopping -----------------------------------------------------------------------------------


async def test_time_is_up_for_those_under_way_and_those_to_come(workspace: Workspace, until: Until) -> None:
    """Each call gets exactly one answer: Busy, also if its task never took a step."""
    never = asyncio.Event()

    async def waits(*_: object) -> None:
        await never.wait()

    table = Table(workspace, health=waits)
    answers = table.turn(call_of("health", 1))
    await until(lambda: table.handler.statistics().in_progress == 1)
    await asyncio.sleep(0)
    answers += table.turn(call_of("health", 2), call_of("assemble", 3, name="commands/hello"))
    table.handler.stop()
    answers += table.turn(call_of("assemble", 4, name="commands/hello"), call_of("ping", 5))
    errors = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(error) for error in errors] == [Busy] * 5
    await table.tasks.done()
    assert table.handler.statistics().in_progress == 0


# -- accounts -----------------------------------------------------------------------------------


async def test_every_call_is_counted_by_method_and_its_error_by_type(workspace: Workspace) -> None:
    """Failed calls too, and methods that do not exist under one name; latencies are kept apart by kind."""
    table = Table(workspace, ping=lambda *_: {"pong": True})
    for call in (
        call_of("assemble", name="commands/hello"),
        call_of("assemble", name="commands/hello"),
        call_of("assemble", name="nowhere"),
        call_of("assemble", nmae="nowhere"),
        call_of("list"),
        call_of("ping"),
        call_of("nonsense"),
    ):
        try:
            await table.ask(call)
        except (UnknownComponent, InvalidParams, PromptdError):
            continue
    counts = table.handler.statistics()
    assert counts.by_method == {"assemble": 4, "list": 1, "ping": 1, UNKNOWN: 1}
    assert counts.requests == 7
    assert counts.errors == {
        "promptd.InvalidParams": 1,
        "promptd.MethodNotFound": 1,
        "promptd.UnknownComponent": 1,
    }
    assert counts.latency_us.count == 4
    assert counts.scan_latency_us.count == 1
    assert counts.service_latency_us.count == 2


async def test_a_request_is_one_line_at_debug_and_none_at_info(aged: Workspace) -> None:
    """What was asked, how long it took, how it ended and its tokens; never a value or a text."""
    stream = io.StringIO()
    table = Table(aged)
    try:
        for level in ("debug", "info"):
            log.configure("json", level, stream)
            for name in ("commands/hello", "commands/hello", "nowhere"):
                try:
                    await table.ask(call_of("assemble", name=name, variables={"name": "Secret"}))
                except UnknownComponent:
                    continue
    finally:
        log.silence()
    lines = [json.loads(line) for line in stream.getvalue().splitlines() if '"promptd.server"' in line]
    assert [line["event"] for line in lines] == ["request"] * 3
    assert [line.get("tokens") for line in lines] == [4, 4, None]
    assert [line["outcome"] for line in lines] == ["ok", "ok", "promptd.UnknownComponent"]
    assert [line["names"] for line in lines] == [["commands/hello"], ["commands/hello"], ["nowhere"]]
    assert all(line["method"] == "assemble" and line["ms"] >= 0 for line in lines)
    assert "Secret" not in stream.getvalue()
    assert "Hello" not in stream.getvalue()


# -- rights -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["reload", "rescan", "configuration"])
async def test_to_ask_is_not_to_administer(workspace: Workspace, method: str) -> None:
    """Who may only ask is told which right is missing and who gives it; nothing is done for him."""
    called: list[str] = []
    services = {name: lambda *_, name=name: called.append(name) or {} for name in ("reload", "configuration")}
    table = Table(workspace, **services)
    table.peer.uid = 4242
    with pytest.raises(PermissionDenied, match="user 4242 may ask, but") as denied:
        await table.ask(call_of(method))
    assert "`serve.admin_uids`" in denied.value.message
    assert (denied.value.details["right"], denied.value.details["method"]) == ("administer", method)
    assert (called, table.reconciled) == ([], [])
    assert (await table.ask(call_of("assemble", name="commands/other")))["text"] == "Something else.\n"
    for uid in (ADMINISTRATOR, 0, os.geteuid()):
        table.peer.uid = uid
        await table.ask(call_of(method))
    assert len(called) + len(table.reconciled) == 3


# -- peers that are gone ----------------------------------------------------------------------------


async def test_work_for_who_hung_up_is_dropped(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six hundred budgets asked and left: nothing is computed for nobody, and the others are answered."""
    table, other = Table(workspace), Table(workspace)
    started: list[object] = []
    gate = asyncio.Event()

    async def wait(*_: object) -> object:
        started.append(_)
        await gate.wait()
        return {}

    monkeypatch.setattr(module.procedures, "drive", wait)
    calls = [call_of("assemble", each, name="commands/hello", budget=1000 + each) for each in range(600)]
    answers = table.turn(*calls)
    kept = other.peer
    other.handler = table.handler
    (answer,) = other.turn(call_of("assemble", name="commands/other", budget=5000))
    assert table.handler.statistics().in_progress == 601
    table.peer.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert table.handler.statistics().in_progress == 1
    assert all(each.cancelled() for each in answers)
    gate.set()
    assert json.loads(await answer) == {}
    assert not kept.is_closed


async def test_an_error_lets_go_of_what_it_was_raised_about(library: Library) -> None:
    """Its frames would hold a prompt that was refused for its size until the collector comes by."""

    class Held:
        """Something large."""

    kept: list[weakref.ref[Held]] = []

    def refuse(_peer: Peer, _params: Any) -> None:
        held = Held()
        kept.append(weakref.ref(held))
        raise Busy("not now")

    workspace = await asyncio.to_thread(lambda: workspace_of(library(FILES)))
    table = Table(workspace, statistics=refuse)
    gc.disable()
    try:
        with pytest.raises(Busy):
            await NotedPeer(table.handler).call("statistics")
        assert kept[0]() is None
    finally:
        gc.enable()
