"""Flows, driven in this thread: what they decide between one look at the disk and the next."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from promptd.core.assembly.prompt import Prompt
from promptd.core.syntax.component import Place, Reading
from promptd.engine import procedures
from promptd.engine.workspace import Workspace
from promptd.errors import OutsideRoot, UnknownComponent, UnreadableComponent
from promptd.protocol.request import request_of
from promptd.sources.worktree.files import Worktree
from tests.conftest import Library
from tests.daemon.workspaces import workspace_of

FILES = {
    "p.md": "<include>a.md</include>\n<include>raw.xml</include>\n",
    "a.md": "a {x}\n",
    "raw.xml": "<x/>\n",
}
P = request_of(("p",), {"x": "1"})


def test_only_names_that_exist_are_offered_for_an_unknown_one(library: Library) -> None:
    """A neighbour that was deleted a moment ago is not among them, even if the library still has it."""
    root = library({"review.md": "1", "revue.md": "2", "reviewer.md": "3"})
    workspace = workspace_of(root)
    (root / "revue.md").unlink()
    with pytest.raises(UnknownComponent) as refused:
        procedures.run(
            workspace, procedures.assemble(workspace, request_of(("revieu",)), workspace.source.check())
        )
    assert refused.value.details["nearest"] == ["review.md", "reviewer.md"]


def test_a_closure_is_a_plan_without_a_prompt(library: Library) -> None:
    """What a name needs, its first text if asked for; names that mean nothing are errors."""
    workspace = workspace_of(library(FILES))
    found = procedures.run(
        workspace, procedures.closure(workspace, "p", workspace.source.check(), with_text=True)
    )
    assert (found.plan.ids, found.text) == (("p.md",), FILES["p.md"])
    assert [member.id for member in found.plan.members] == ["p.md", "a.md", "raw.xml"]
    assert procedures.run(workspace, procedures.closure(workspace, "p", workspace.source.check())).text == ""
    for name, leaf in (("nothing", UnknownComponent), ("../p", OutsideRoot)):
        with pytest.raises(leaf):
            procedures.run(workspace, procedures.closure(workspace, name, workspace.source.check()))


def test_reconcile_adopts_what_only_directives_reach(library: Library) -> None:
    """Files of other suffixes are read when someone pulls them in, level by level."""
    root = library(FILES | {"raw.xml": "<include>deep.xml</include>", "deep.xml": "deep", "unused.xml": "no"})
    workspace = workspace_of(root, is_filled=False)
    found = procedures.run(workspace, procedures.reconcile(workspace))
    assert found.ids == {"p.md", "a.md", "raw.xml", "deep.xml"}
    assert (found.added, found.changed, found.removed) == (4, 0, 0)
    assert not procedures.run(workspace, procedures.reconcile(workspace))


def test_reconcile_forgets_what_a_scan_would_not_know(library: Library) -> None:
    """Asked for by name below a link that leads out: an error then, and no part of the library after."""
    root = library(FILES)
    (root / "away").symlink_to("/usr")
    workspace = workspace_of(root)
    with pytest.raises(OutsideRoot):
        procedures.run(
            workspace, procedures.assemble(workspace, request_of(("away/bin/env",)), workspace.source.check())
        )
    assert "away/bin/env.md" in workspace.library
    procedures.run(workspace, procedures.reconcile(workspace))
    assert workspace.library.ids() == ["a.md", "p.md", "raw.xml"]
    assert "away/bin/env.md" not in workspace.library


def test_reconcile_forgets_what_no_directive_leads_to_any_more(library: Library) -> None:
    """Adopted for a directive that is gone: neither the file nor its edges stay, nor is it served."""
    workspace = workspace_of(library(FILES | {"raw.xml": "<include>a.md</include>"}))
    assert workspace.library.graph.count_dependents("a.md") == 2
    library({"p.md": "<include>a.md</include>"})
    by_name = request_of(("raw.xml",))
    with pytest.raises(UnknownComponent):
        procedures.run(workspace, procedures.assemble(workspace, by_name, workspace.source.check()))
    procedures.run(workspace, procedures.reconcile(workspace))
    assert "raw.xml" not in workspace.library
    assert workspace.library.graph.count_dependents("a.md") == 1


def test_what_comes_forward_from_a_later_root_is_followed(library: Library) -> None:
    """One reconcile is enough to know what it leads to, as it is for one who starts from nothing."""
    first, second = library({"first/a.md": "a"}) / "first", library({"second/d/c.md": "c"}) / "second"
    roots = [str(first), str(second)]
    workspace = workspace_of(first, roots=roots)
    (first / "d").symlink_to("d")  # a loop: it is unknown whether d/c.md is below it
    with pytest.raises(UnreadableComponent):
        procedures.run(
            workspace, procedures.assemble(workspace, request_of(("d/c.md",)), workspace.source.check())
        )
    (second / "d/c.md").write_text("<include>raw.xml</include>")
    (second / "raw.xml").write_text("<include>deep.xml</include>")
    (second / "deep.xml").write_text("deep")
    procedures.run(workspace, procedures.reconcile(workspace))
    assert held(workspace) == held(workspace_of(first, roots=roots))


def test_what_is_behind_a_loop_hides_the_file_of_a_later_root(library: Library) -> None:
    """A request is told what is wrong there, so the listing is; what nothing else leads to goes."""
    first, second = library({"first/a.md": "a"}) / "first", library({"second/b.md": "b"}) / "second"
    roots = [str(first), str(second)]
    workspace = workspace_of(first, roots=roots)
    (first / "d").symlink_to("d")
    for name in ("d/c", "d/c.md"):
        with pytest.raises(UnreadableComponent):
            procedures.run(
                workspace, procedures.assemble(workspace, request_of((name,)), workspace.source.check())
            )
    library({"second/d/c.md": "<include>d/c</include>"})
    procedures.run(workspace, procedures.reconcile(workspace))
    hiding = workspace.library.get("d/c.md")
    assert hiding is not None
    assert (hiding.root, isinstance(hiding.error, UnreadableComponent)) == (0, True)
    assert "d/c" not in workspace.library
    assert held(workspace) == held(workspace_of(first, roots=roots))
    (first / "d").unlink()
    procedures.run(workspace, procedures.reconcile(workspace))
    assert "d/c" not in workspace.library
    assert held(workspace) == held(workspace_of(first, roots=roots))


def test_reconcile_forgets_what_is_invalid_behind_an_earlier_root(library: Library) -> None:
    """Asked for below a loop in the second root, then there in the first: only the first is held."""
    first, second = library({"first/a.md": "a"}) / "first", library({"second/b.md": "b"}) / "second"
    roots = [str(first), str(second)]
    workspace = workspace_of(first, roots=roots)
    (second / "d").symlink_to("d")
    with pytest.raises(UnreadableComponent):
        procedures.run(
            workspace, procedures.assemble(workspace, request_of(("d/c.md",)), workspace.source.check())
        )
    library({"first/d/c.md": "c"})
    procedures.run(workspace, procedures.reconcile(workspace))
    assert held(workspace) == held(workspace_of(first, roots=roots))
    (first / "d/c.md").unlink()
    with pytest.raises(UnreadableComponent):
        procedures.run(
            workspace, procedures.assemble(workspace, request_of(("d/c.md",)), workspace.source.check())
        )


def held(workspace: Workspace) -> set[Place]:
    """Every place a workspace holds a reading of."""
    return {place for place, _ in workspace.library.held()}


def test_follow_reads_what_a_watcher_points_at(library: Library) -> None:
    """Known, wanted or new components; other files, other places and deletions cost nothing or are seen."""
    root = library(FILES)
    workspace = workspace_of(root)
    (root / "a.md").write_text("changed\n")
    (root / "raw.xml").unlink()
    library({"new.md": "new", "note.log": "no", ".git/x.md": "no"})
    pointed = [str(root / name) for name in ("a.md", "raw.xml", "new.md", "note.log", ".git/x.md", "gone.md")]
    places = [place for path in (*pointed, "/elsewhere/x.md") for place in workspace.source.places(path)]
    found = procedures.run(workspace, procedures.follow(workspace, places))
    assert found.ids == {"a.md", "raw.xml", "new.md"}
    assert (found.added, found.changed, found.removed) == (1, 1, 1)


def test_a_place_in_two_roots_is_followed_in_both(library: Library) -> None:
    """One root may lie below another: the same file is two components, and both change."""
    root = library({"sub/a.md": "one"})
    workspace = workspace_of(root, roots=[str(root), str(root / "sub")])
    (root / "sub" / "a.md").write_text("two")
    places = workspace.source.places(str(root / "sub" / "a.md"))
    found = procedures.run(workspace, procedures.follow(workspace, places))
    assert found.ids == {"sub/a.md", "a.md"}


def test_an_older_reading_of_another_makes_no_answer_stale(library: Library) -> None:
    """A file that changes whenever it is read is answered as read last, not as another read it long ago."""
    root = library(
        {"p.md": "<include>a.md</include>\n<include>b.md</include>\n", "a.md": "a0\n", "b.md": "b\n"}
    )
    workspace = workspace_of(root)
    place = Place(0, "a.md")
    late = [workspace.loader.read(place)]  # by a thread that comes in when all others have read on
    procedure = procedures.assemble(workspace, request_of(("p",)), workspace.source.check())
    (root / "a.md").write_text("a1\n")
    outcome: Any = None
    for number in itertools.count(2):
        try:
            command = procedure.send(outcome)
        except StopIteration as done:
            prompt = done.value
            break
        outcome = procedures.perform(workspace, command)
        if isinstance(command, procedures.Read) and place in command.places:
            (root / "a.md").write_text(f"a{number}\n")
            (root / "b.md").write_text(f"b{number}\n")
        elif isinstance(command, procedures.Read):
            workspace.apply(late)
    assert not prompt.is_consistent
    assert "a0" not in prompt.text


# -- off the event loop ---------------------------------------------------------------------------


def commands_of(workspace: Workspace, procedure: Any) -> list[procedures.Effect]:
    """Drive a procedure by hand; return what it asked for."""
    asked: list[procedures.Effect] = []
    outcome: Any = None
    while True:
        try:
            asked.append(procedure.send(outcome))
        except StopIteration:
            return asked
        outcome = procedures.perform(workspace, asked[-1])


async def test_drive_does_what_run_does(library: Library) -> None:
    """The same procedure in a thread and on the loop gives the same prompt; blocking the loop would fail."""
    root = library(FILES)
    one, other = await asyncio.to_thread(workspace_of, root), await asyncio.to_thread(workspace_of, root)
    driven = await procedures.drive(one, procedures.assemble(one, P, one.source.check()))
    ran = await asyncio.to_thread(
        lambda: procedures.run(other, procedures.assemble(other, P, other.source.check()))
    )
    assert (driven.text, driven.etag, driven.manifest) == (ran.text, ran.etag, ran.manifest)
    found = await procedures.drive(one, procedures.reconcile(one))
    assert not found


async def test_young_and_changed_files_are_never_read_on_the_loop(library: Library) -> None:
    """Racily clean ones are read again on each use, in a thread; blockbuster would catch a read here."""
    workspace = await asyncio.to_thread(workspace_of, library(FILES))
    for text in ("a\n", "b\n", "b\n"):
        library({"a.md": text})
        check = workspace.source.check()
        prompt = await procedures.drive(workspace, procedures.assemble(workspace, P, check))
        assert prompt.text.startswith(text)


class GatedFiles(Worktree):
    """A fake source that lets reads through when the test says so, as a hanging network mount would."""

    def __init__(self, real: Worktree) -> None:
        super().__init__(real.roots, real.names)
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """Wait at the gate, then read."""
        self.waiting.set()
        assert self.gate.wait(10)
        return super().read(place, was_filled=was_filled)


async def test_others_are_answered_while_one_waits_for_a_file(
    library: Library, until: Callable[[Callable[[], object]], Any]
) -> None:
    """A read that hangs delays its own request and no other."""
    workspace = await asyncio.to_thread(workspace_of, library(FILES | {"q.md": "q\n"}))
    quick = request_of(("q",))
    await procedures.drive(workspace, procedures.assemble(workspace, quick, workspace.source.check()))
    gated = GatedFiles(workspace.source)
    workspace.loader._source = gated
    library({"a.md": "changed\n"})
    slow = asyncio.create_task(
        procedures.drive(workspace, procedures.assemble(workspace, P, workspace.source.check()))
    )
    await until(gated.waiting.is_set)
    for _ in range(5):
        answered = await procedures.drive(
            workspace, procedures.assemble(workspace, quick, workspace.source.check())
        )
        assert answered.text == "q\n"
    assert not slow.done()
    gated.gate.set()
    assert (await slow).text.startswith("changed\n")


async def test_slow_sweeps_are_commands(library: Library) -> None:
    """Where a stat takes long, paths are swept by the driver; the loop only compares."""
    workspace = await asyncio.to_thread(workspace_of, library(FILES))
    await procedures.drive(workspace, procedures.assemble(workspace, P, workspace.source.check()))
    workspace.source.stat_s = 1.0
    sweep = workspace.source.check()
    assert workspace.current(P, sweep) is None
    assert sweep.seen == {}
    first = next(procedures.assemble(workspace, P, sweep))
    assert isinstance(first, procedures.Look)
    first.run()
    assert len(sweep.seen) >= 3
    prompt = await procedures.drive(workspace, procedures.assemble(workspace, P, workspace.source.check()))
    assert isinstance(prompt, Prompt)


async def test_a_reconcile_may_be_shared(library: Library) -> None:
    """A driver may do it once for several that asked; without that each procedure has its own."""
    workspace = await asyncio.to_thread(workspace_of, library(FILES))
    shared = procedures.Reconciled(7, 0, 0, 1)

    async def reconciled(of: Workspace) -> procedures.Reconciled:
        assert of is workspace
        return shared

    def asking() -> procedures.Procedure[procedures.Reconciled]:
        return (yield procedures.Reconcile())

    assert await procedures.drive(workspace, asking(), reconciled=reconciled) is shared
    assert not await procedures.drive(workspace, asking())
    assert not await asyncio.to_thread(procedures.run, workspace, asking())


async def test_a_started_flow_goes_on_from_its_command(library: Library) -> None:
    """The handler takes the first step itself and hands the rest over."""
    workspace = await asyncio.to_thread(lambda: workspace_of(library(FILES), is_filled=False))
    procedure = procedures.assemble(workspace, P, workspace.source.check())
    command = next(procedure)
    assert (await procedures.drive(workspace, procedure, command)).text == "a 1\n<x/>\n"


def test_tokens_are_counted_where_texts_are_read(library: Library) -> None:
    """What was read for a prompt is counted in the reading thread; the decision only adds up."""
    workspace = workspace_of(library(FILES), is_filled=False)
    asked = commands_of(workspace, procedures.assemble(workspace, P, workspace.source.check()))
    reads = [command for command in asked if isinstance(command, procedures.Read)]
    assert reads
    assert all(command.is_wanted for command in reads)
    scanned = workspace_of(library(FILES), is_filled=False)
    assert not any(
        getattr(one, "is_wanted", False) for one in commands_of(scanned, procedures.reconcile(scanned))
    )
    assert scanned.segments.statistics().encoded == 0


def test_many_directives_are_applied_some_at_a_time(library: Library) -> None:
    """With a pause in between, so that requests are answered; few of them are one revision."""
    lines = "".join(f"<include>none{line}.md</include>\n" for line in range(900))
    root = library({f"d{at}.md": lines.replace("none", f"none{at}-") for at in range(6)})
    workspace = workspace_of(root, is_filled=False)
    places = tuple(Place(0, f"d{at}.md") for at in range(6))
    asked = commands_of(workspace, procedures.read(workspace, places))
    assert [type(command).__name__ for command in asked] == ["Read", "Pause", "Pause"]
    assert workspace.library.revision == 3
    assert len(workspace.library) == 6
    small = workspace_of(library({f"s{at}.md": "text\n" for at in range(6)}), is_filled=False)
    list(commands_of(small, procedures.read(small, tuple(Place(0, f"s{at}.md") for at in range(6)))))
    assert small.library.revision == 1


def test_large_files_are_read_when_there_is_memory_for_them(library: Library) -> None:
    """Who had to wait looks again, and does not read what another has read meanwhile."""
    workspace = workspace_of(library({"large.md": "words\n" * 20_000}))
    workspace.shed()
    request = request_of(("large.md",))
    flow = procedures.assemble(workspace, request, workspace.source.check())
    command = flow.send(None)
    while not isinstance(command, procedures.Reserve):
        command = flow.send(procedures.perform(workspace, command))
    assert command.size_bytes == 120_000
    procedures.run(workspace, procedures.assemble(workspace, request, workspace.source.check()))
    asked = commands_of(workspace, _sent(flow, True))
    assert not [command for command in asked if isinstance(command, procedures.Read)]


def _sent(flow: Any, outcome: Any) -> Any:
    """The rest of a procedure that was sent the outcome of its last command."""
    while True:
        try:
            command = flow.send(outcome)
        except StopIteration as done:
            return done.value
        outcome = yield command
