"""Flows, driven in this thread: what they decide between one look at the disk and the next."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from promptd import flows
from promptd.engine.component import Place
from promptd.engine.request import Prompt, request_of
from promptd.errors import OutsideRoot, UnknownComponent, UnreadableComponent
from promptd.files import Files, Look, Sweep
from promptd.keeper import Keeper
from tests.conftest import Library
from tests.daemon.kept import keeper_of

FILES = {
    "p.md": "<include>a.md</include>\n<include>raw.xml</include>\n",
    "a.md": "a {x}\n",
    "raw.xml": "<x/>\n",
}
P = request_of(("p",), {"x": "1"})


def test_only_names_that_exist_are_offered_for_an_unknown_one(library: Library) -> None:
    """A neighbour that was deleted a moment ago is not among them, whoever has heard of it."""
    root = library({"review.md": "1", "revue.md": "2", "reviewer.md": "3"})
    keeper = keeper_of(root)
    (root / "revue.md").unlink()
    with pytest.raises(UnknownComponent) as refused:
        flows.run(keeper, flows.assemble(keeper, request_of(("revieu",)), Sweep(keeper.files)))
    assert refused.value.details["nearest"] == ["review.md", "reviewer.md"]


def test_a_closure_is_a_plan_without_a_prompt(library: Library) -> None:
    """What a name needs, its first text if asked for; names that mean nothing are errors."""
    keeper = keeper_of(library(FILES))
    found = flows.run(keeper, flows.closure(keeper, "p", Sweep(keeper.files), with_text=True))
    assert (found.plan.ids, found.text) == (("p.md",), FILES["p.md"])
    assert [member.id for member in found.plan.members] == ["p.md", "a.md", "raw.xml"]
    assert flows.run(keeper, flows.closure(keeper, "p", Sweep(keeper.files))).text == ""
    for name, leaf in (("nothing", UnknownComponent), ("../p", OutsideRoot)):
        with pytest.raises(leaf):
            flows.run(keeper, flows.closure(keeper, name, Sweep(keeper.files)))


def test_reconcile_adopts_what_only_directives_reach(library: Library) -> None:
    """Files of other suffixes are read when someone pulls them in, level by level."""
    root = library(FILES | {"raw.xml": "<include>deep.xml</include>", "deep.xml": "deep", "unused.xml": "no"})
    keeper = keeper_of(root, is_filled=False)
    found = flows.run(keeper, flows.reconcile(keeper))
    assert found.ids == {"p.md", "a.md", "raw.xml", "deep.xml"}
    assert (found.added, found.changed, found.removed) == (4, 0, 0)
    assert not flows.run(keeper, flows.reconcile(keeper))


def test_reconcile_forgets_what_a_scan_would_not_know(library: Library) -> None:
    """Asked for by name below a link that leads out: an error then, and no part of the library after."""
    root = library(FILES)
    (root / "away").symlink_to("/usr")
    keeper = keeper_of(root)
    with pytest.raises(OutsideRoot):
        flows.run(keeper, flows.assemble(keeper, request_of(("away/bin/env",)), Sweep(keeper.files)))
    assert "away/bin/env" in keeper.library
    flows.run(keeper, flows.reconcile(keeper))
    assert keeper.library.ids() == ["a.md", "p.md", "raw.xml"]
    assert "away/bin/env" not in keeper.library


def test_reconcile_forgets_what_no_directive_leads_to_any_more(library: Library) -> None:
    """Adopted for a directive that is gone: neither the file nor its edges stay, unless it is asked for."""
    keeper = keeper_of(library(FILES | {"raw.xml": "<include>a.md</include>"}))
    assert keeper.library.graph.count_dependents("a.md") == 2
    library({"p.md": "<include>a.md</include>"})
    by_name = request_of(("raw.xml",))
    flows.run(keeper, flows.assemble(keeper, by_name, Sweep(keeper.files)))
    flows.run(keeper, flows.reconcile(keeper))
    assert "raw.xml" in keeper.library
    keeper.prompts.discard(by_name)
    flows.run(keeper, flows.reconcile(keeper))
    assert "raw.xml" not in keeper.library
    assert keeper.library.graph.count_dependents("a.md") == 1


def test_what_comes_forward_from_a_later_root_is_followed(library: Library) -> None:
    """One reconcile is enough to know what it leads to, as it is for one who starts from nothing."""
    first, second = library({"first/a.md": "a"}) / "first", library({"second/d/c.md": "c"}) / "second"
    roots = [str(first), str(second)]
    keeper = keeper_of(first, roots=roots)
    (first / "d").symlink_to("d")  # a loop: nobody can say whether d/c.md is below it
    with pytest.raises(UnreadableComponent):
        flows.run(keeper, flows.assemble(keeper, request_of(("d/c.md",)), Sweep(keeper.files)))
    (second / "d/c.md").write_text("<include>raw.xml</include>")
    (second / "raw.xml").write_text("<include>deep.xml</include>")
    (second / "deep.xml").write_text("deep")
    flows.run(keeper, flows.reconcile(keeper))
    assert held(keeper) == held(keeper_of(first, roots=roots))


def test_what_comes_forward_may_lead_to_what_just_went(library: Library) -> None:
    """Unusable and wanted by nobody it goes; the file that comes forward includes it, so it stays."""
    first, second = library({"first/a.md": "a"}) / "first", library({"second/b.md": "b"}) / "second"
    roots = [str(first), str(second)]
    keeper = keeper_of(first, roots=roots)
    (first / "d").symlink_to("d")
    for name in ("d/c", "d/c.md"):
        with pytest.raises(UnreadableComponent):
            flows.run(keeper, flows.assemble(keeper, request_of((name,)), Sweep(keeper.files)))
    library({"second/d/c.md": "<include>d/c</include>"})
    flows.run(keeper, flows.reconcile(keeper))
    assert "d/c" in keeper.library
    assert held(keeper) == held(keeper_of(first, roots=roots))


def test_reconcile_forgets_what_is_unusable_behind_an_earlier_root(library: Library) -> None:
    """Asked for below a loop in the second root, then there in the first: only the first is held."""
    first, second = library({"first/a.md": "a"}) / "first", library({"second/b.md": "b"}) / "second"
    roots = [str(first), str(second)]
    keeper = keeper_of(first, roots=roots)
    (second / "d").symlink_to("d")
    with pytest.raises(UnreadableComponent):
        flows.run(keeper, flows.assemble(keeper, request_of(("d/c.md",)), Sweep(keeper.files)))
    library({"first/d/c.md": "c"})
    flows.run(keeper, flows.reconcile(keeper))
    assert held(keeper) == held(keeper_of(first, roots=roots))
    (first / "d/c.md").unlink()
    with pytest.raises(UnreadableComponent):
        flows.run(keeper, flows.assemble(keeper, request_of(("d/c.md",)), Sweep(keeper.files)))


def held(keeper: Keeper) -> set[Place]:
    """Every place a keeper holds a reading of."""
    return {place for place, _ in keeper.library.held()}


def test_follow_reads_what_a_watcher_points_at(library: Library) -> None:
    """Known, wanted or new components; other files, other places and deletions cost nothing or are seen."""
    root = library(FILES)
    keeper = keeper_of(root)
    (root / "a.md").write_text("changed\n")
    (root / "raw.xml").unlink()
    library({"new.md": "new", "note.log": "no", ".git/x.md": "no"})
    pointed = [str(root / name) for name in ("a.md", "raw.xml", "new.md", "note.log", ".git/x.md", "gone.md")]
    found = flows.run(keeper, flows.follow(keeper, [*pointed, "/elsewhere/x.md"]))
    assert found.ids == {"a.md", "raw.xml", "new.md"}
    assert (found.added, found.changed, found.removed) == (1, 1, 1)


def test_a_place_in_two_roots_is_followed_in_both(library: Library) -> None:
    """One root may lie below another: the same file is two components, and both change."""
    root = library({"sub/a.md": "one"})
    keeper = keeper_of(root, roots=[str(root), str(root / "sub")])
    (root / "sub" / "a.md").write_text("two")
    found = flows.run(keeper, flows.follow(keeper, [str(root / "sub" / "a.md")]))
    assert found.ids == {"sub/a.md", "a.md"}


def test_an_older_reading_of_another_makes_no_answer_stale(library: Library) -> None:
    """A file that changes whenever it is read is answered as read last, not as another read it long ago."""
    root = library(
        {"p.md": "<include>a.md</include>\n<include>b.md</include>\n", "a.md": "a0\n", "b.md": "b\n"}
    )
    keeper = keeper_of(root)
    place = Place(0, "a.md")
    late = [keeper.loader.read(place)]  # by a thread that comes in when all others have read on
    flow = flows.assemble(keeper, request_of(("p",)), Sweep(keeper.files))
    (root / "a.md").write_text("a1\n")
    outcome: Any = None
    for number in itertools.count(2):
        try:
            command = flow.send(outcome)
        except StopIteration as done:
            prompt = done.value
            break
        outcome = flows.perform(keeper, command)
        if isinstance(command, flows.Read) and place in command.places:
            (root / "a.md").write_text(f"a{number}\n")
            (root / "b.md").write_text(f"b{number}\n")
        elif isinstance(command, flows.Read):
            keeper.apply(late)
    assert not prompt.is_consistent
    assert "a0" not in prompt.text


# -- off the event loop ---------------------------------------------------------------------------


def commands_of(keeper: Keeper, flow: Any) -> list[flows.Command]:
    """Drive a flow by hand; return what it asked for."""
    asked: list[flows.Command] = []
    outcome: Any = None
    while True:
        try:
            asked.append(flow.send(outcome))
        except StopIteration:
            return asked
        outcome = flows.perform(keeper, asked[-1])


async def test_drive_does_what_run_does(library: Library) -> None:
    """The same flow in a thread and on the loop: the same prompt. Blocking calls on the loop would fail."""
    root = library(FILES)
    one, other = await asyncio.to_thread(keeper_of, root), await asyncio.to_thread(keeper_of, root)
    driven = await flows.drive(one, flows.assemble(one, P, Sweep(one.files)))
    ran = await asyncio.to_thread(lambda: flows.run(other, flows.assemble(other, P, Sweep(other.files))))
    assert (driven.text, driven.etag, driven.manifest) == (ran.text, ran.etag, ran.manifest)
    found = await flows.drive(one, flows.reconcile(one))
    assert not found


async def test_young_and_changed_files_are_never_read_on_the_loop(library: Library) -> None:
    """Racily clean ones are read again on each use, in a thread; blockbuster would catch a read here."""
    keeper = await asyncio.to_thread(keeper_of, library(FILES))
    for text in ("a\n", "b\n", "b\n"):
        library({"a.md": text})
        sweep = Sweep(keeper.files)
        prompt = keeper.current(P, sweep) or await flows.drive(keeper, flows.assemble(keeper, P, sweep))
        assert prompt.text.startswith(text)


class GatedFiles(Files):
    """A fake door that lets looks through when the test says so, as a hanging network mount would."""

    def __init__(self, real: Files) -> None:
        super().__init__(real.roots, real.names)
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def look(self, place: Place, *, was_filled: bool = False) -> Look:
        """Wait at the gate, then read."""
        self.waiting.set()
        assert self.gate.wait(10)
        return super().look(place, was_filled=was_filled)


async def test_others_are_answered_while_one_waits_for_a_file(
    library: Library, until: Callable[[Callable[[], object]], Any]
) -> None:
    """A read that hangs holds up its own request and nobody else's."""
    keeper = await asyncio.to_thread(keeper_of, library(FILES | {"q.md": "q\n"}))
    quick = request_of(("q",))
    await flows.drive(keeper, flows.assemble(keeper, quick, Sweep(keeper.files)))
    gated = GatedFiles(keeper.files)
    keeper.loader.files = gated
    library({"a.md": "changed\n"})
    slow = asyncio.create_task(flows.drive(keeper, flows.assemble(keeper, P, Sweep(keeper.files))))
    await until(gated.waiting.is_set)
    for _ in range(5):
        answered = await flows.drive(keeper, flows.assemble(keeper, quick, Sweep(keeper.files)))
        assert answered.text == "q\n"
    assert not slow.done()
    gated.gate.set()
    assert (await slow).text.startswith("changed\n")


async def test_slow_sweeps_are_commands(library: Library) -> None:
    """Where a stat takes long, paths are swept by whoever drives; the loop only compares."""
    keeper = await asyncio.to_thread(keeper_of, library(FILES))
    await flows.drive(keeper, flows.assemble(keeper, P, Sweep(keeper.files)))
    keeper.files.stat_s = 1.0
    sweep = Sweep(keeper.files)
    assert keeper.current(P, sweep) is None
    assert sweep.seen == {}
    first = next(flows.assemble(keeper, P, sweep))
    assert isinstance(first, flows.Look)
    assert len(first.paths) >= 3
    prompt = await flows.drive(keeper, flows.assemble(keeper, P, Sweep(keeper.files)))
    assert isinstance(prompt, Prompt)


async def test_a_reconcile_may_be_shared(library: Library) -> None:
    """Whoever drives may do it once for several that asked; without that each flow has its own."""
    keeper = await asyncio.to_thread(keeper_of, library(FILES))
    shared = flows.Reconciled(7, 0, 0, 1)

    async def reconciled(of: Keeper) -> flows.Reconciled:
        assert of is keeper
        return shared

    def asking() -> flows.Flow[flows.Reconciled]:
        return (yield flows.Reconcile())

    assert await flows.drive(keeper, asking(), reconciled=reconciled) is shared
    assert not await flows.drive(keeper, asking())
    assert not await asyncio.to_thread(flows.run, keeper, asking())


async def test_a_started_flow_goes_on_from_its_command(library: Library) -> None:
    """The handler takes the first step itself and hands the rest over."""
    keeper = await asyncio.to_thread(lambda: keeper_of(library(FILES), is_filled=False))
    flow = flows.assemble(keeper, P, Sweep(keeper.files))
    command = next(flow)
    assert (await flows.drive(keeper, flow, command)).text == "a 1\n<x/>\n"


def test_tokens_are_counted_where_texts_are_read(library: Library) -> None:
    """What was read for a prompt is counted in the reading thread; the decision only adds up."""
    keeper = keeper_of(library(FILES), is_filled=False)
    asked = commands_of(keeper, flows.assemble(keeper, P, Sweep(keeper.files)))
    reads = [command for command in asked if isinstance(command, flows.Read)]
    assert reads
    assert all(command.is_wanted for command in reads)
    scanned = keeper_of(library(FILES), is_filled=False)
    assert not any(getattr(one, "is_wanted", False) for one in commands_of(scanned, flows.reconcile(scanned)))
    assert scanned.segments.statistics().encoded == 0
