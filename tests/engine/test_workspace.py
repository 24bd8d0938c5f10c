"""The workspace: decisions of a request and of a change, without waiting in between.

Each test plays the driver itself: it asks, does what is needed by hand or by
`procedures.run`, and asks again.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptd import config as configuration
from promptd.core.assembly.prompt import Prompt
from promptd.core.library.library import Delta
from promptd.core.syntax.component import Place, Reading
from promptd.engine import procedures
from promptd.engine import tokenizer as module
from promptd.engine.attempt import MAX_READS_A_REQUEST, Attempt, Needs
from promptd.engine.opening import open_worktree
from promptd.engine.prompts.cached import CachedPrompt
from promptd.engine.workspace import Workspace
from promptd.errors import UnknownComponent
from promptd.protocol.request import Request, request_of
from tests.conftest import Library
from tests.freshness import make_files_look_old

FILES = {
    "p.md": "P <include>part.md</include> {name}\n",
    "q.md": "Q\n",
    "part.md": "part <include>gone.md</include>\n",
}
P, Q = request_of(("p",)), request_of(("q",))
Made = Callable[..., Workspace]


@pytest.fixture
def made(library: Library) -> Iterator[Made]:
    """Return a function that makes a workspace of `FILES` (or others) with settings."""
    workspaces: list[Workspace] = []

    def make(files: dict[str, str] | None = None, **settings: Any) -> Workspace:
        root = library(FILES if files is None else files)
        keys = {name.replace("__", "."): value for name, value in settings.items()}
        config = configuration.load(None, {}, {"roots": [str(root)], **keys})
        workspaces.append(open_worktree(config, module.shared("o200k_base"), instance="test", now_s=0.0))
        return workspaces[-1]

    yield make
    for workspace in workspaces:
        workspace.close()


def ask(workspace: Workspace, request: Request) -> Prompt:
    """Return the prompt, from the cache if it stands, as every caller does."""
    flow = procedures.assemble(workspace, request, workspace.source.check())
    return procedures.run(workspace, flow)


def path_of(workspace: Workspace, id: str) -> Path:
    """Return where a component's file is."""
    return Path(workspace.source.path(Place(0, id)))


# -- a request ------------------------------------------------------------------------------------


def test_a_request_says_what_it_needs_phase_by_phase(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """First what is asked for, then what that includes; then there is an answer."""
    make_files_look_old(monkeypatch)
    workspace = made()
    attempt = Attempt(P)
    steps = []
    while isinstance(step := workspace.attempt(attempt, workspace.source.check()), Needs):
        steps.append({place.id for place in step.places})
        readings = [workspace.loader.read(place) for place in step.places]
        attempt.take(readings)
        workspace.apply(readings)
    assert steps[:2] == [{"p.md"}, {"part.md"}]
    assert isinstance(step, CachedPrompt)
    assert step.prompt.text == "P part  {name}\n"


def test_a_young_file_is_doubted_until_it_was_read_in_the_sweep(made: Made) -> None:
    """Its signature proves nothing: the bytes have to be compared, by the driver."""
    workspace = made()
    ask(workspace, Q)
    sweep = workspace.source.check()
    assert workspace.current(Q, sweep) is None
    needs = workspace.attempt(Attempt(Q), sweep)
    assert isinstance(needs, Needs)
    assert needs.places == ()
    assert needs.look is not None
    needs.look()
    assert workspace.current(Q, sweep) is not None


def test_no_decision_reads_a_file(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deciding happens on the event loop: it may stat, it never opens anything."""
    workspace = made()
    ask(workspace, P)
    path_of(workspace, "part.md").write_text("changed\n")
    monkeypatch.setattr(os, "open", None)
    sweep = workspace.source.check()
    assert workspace.current(P, sweep) is None
    assert isinstance(workspace.attempt(Attempt(P), sweep), Needs)


def test_a_file_is_read_three_times_for_one_request_at_most(made: Made) -> None:
    """Then it is answered as it was read last, and said to be unsteady."""
    workspace = made()
    attempt = Attempt(Q)
    reads = 0
    while isinstance(step := workspace.attempt(attempt, workspace.source.check()), Needs):
        attempt.will_read(step.places)
        for place in step.places:
            reading = workspace.loader.read(place)
            attempt.take([reading])
            workspace.apply([reading])
            reads += 1
            path_of(workspace, "q.md").write_text(f"{'Q' * reads}\n")
    assert reads == MAX_READS_A_REQUEST
    assert isinstance(step, CachedPrompt)
    assert not step.prompt.is_consistent
    assert [warning.kind for warning in step.prompt.warnings] == ["inconsistent"]


def test_a_refusal_is_as_fresh_as_an_answer(made: Made) -> None:
    """An unknown name is looked for before it is said to be unknown."""
    workspace = made()
    with pytest.raises(UnknownComponent):
        ask(workspace, request_of(("new",)))
    path_of(workspace, "new.md").write_text("here\n")
    assert ask(workspace, request_of(("new",))).text == "here\n"
    path_of(workspace, "new.md").unlink()
    with pytest.raises(UnknownComponent):
        ask(workspace, request_of(("new",)))


def test_variables_share_what_they_can(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each set of values is a prompt of its own; the expansion is done once for all of them."""
    make_files_look_old(monkeypatch)
    workspace = made()
    texts = [ask(workspace, request_of(("p",), {"name": str(n)})).text for n in range(5)]
    assert texts == [f"P part  {n}\n" for n in range(5)]
    counts = workspace.statistics()
    assert (counts.prompts.entries, counts.compiled_prompts.entries) == (5, 1)
    assert counts.compiled_prompts.hits == 4


def test_cache_statistics_are_honest(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt that is found and no longer true is a miss; asking twice within one request counts once."""
    make_files_look_old(monkeypatch)
    workspace = made()
    ask(workspace, Q)
    ask(workspace, Q)
    path_of(workspace, "q.md").write_text("changed\n")
    ask(workspace, Q)
    counts = workspace.statistics().prompts
    assert (counts.hits, counts.misses) == (1, 2)


# -- a change -------------------------------------------------------------------------------------


def test_a_change_drops_what_contains_it_and_tells(made: Made) -> None:
    """Observers get the delta and the prompts that it invalidates."""
    workspace = made()
    ask(workspace, P)
    kept = ask(workspace, Q)
    received: list[tuple[Delta, tuple[Request, ...]]] = []
    workspace.observers.append(lambda delta, dropped: received.append((delta, dropped)))
    path_of(workspace, "part.md").write_text("changed\n")
    workspace.apply([workspace.loader.read(Place(0, "part.md"))])
    ((delta, dropped),) = received
    assert (delta.changed, dropped) == (("part.md",), (P,))
    assert workspace.prompts.peek(Q).prompt is kept
    assert workspace.prompts.peek(P) is None


def test_what_a_prompt_missed_drops_it_too(made: Made) -> None:
    """A missing include that appears, and a rival for the name that was asked for."""
    workspace = made()
    ask(workspace, P)
    ask(workspace, Q)
    dropped: list[Request] = []
    workspace.observers.append(lambda _, requests: dropped.extend(requests))
    for id in ("gone.md", "q.txt"):
        path_of(workspace, id).write_text("here\n")
        workspace.apply([workspace.loader.read(Place(0, id))])
    assert dropped == [P, Q]


def test_the_same_bytes_are_no_change(made: Made) -> None:
    """No observer is called, nothing is dropped, the clock stays."""
    workspace = made()
    prompt, clock = ask(workspace, P), workspace.clock
    workspace.observers.append(lambda *_: pytest.fail("nothing happened"))
    path_of(workspace, "part.md").write_text(FILES["part.md"])
    assert not workspace.apply([workspace.loader.read(Place(0, "part.md"))])
    assert workspace.prompts.peek(P).prompt is prompt
    assert workspace.clock == clock == f"c:test:{workspace.library.revision}"


def test_differences_are_what_a_reconcile_has_to_read(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """New, other, gone; what has the same proof is left alone."""
    make_files_look_old(monkeypatch)
    workspace = made()
    procedures.run(workspace, procedures.reconcile(workspace))
    assert procedures.run(workspace, procedures.differences(workspace, workspace.source.scan())) == []
    path_of(workspace, "q.md").unlink()
    path_of(workspace, "part.md").write_text("changed")
    path_of(workspace, "new.md").write_text("new")
    assert {
        place.id
        for place in procedures.run(workspace, procedures.differences(workspace, workspace.source.scan()))
    } == {
        "q.md",
        "part.md",
        "new.md",
    }


# -- the hot set ----------------------------------------------------------------------------------


def weights(workspace: Workspace, now_s: float = 0.0) -> dict[str, float]:
    """Return the use counts of all components, folded now."""
    workspace.fold_uses(now_s)
    return workspace.hot.weights(now_s)


def test_each_answer_is_a_use_of_what_is_in_it(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it was answered: made, from the cache, or again within one turn."""
    make_files_look_old(monkeypatch)
    workspace = made()
    ask(workspace, P)
    ask(workspace, P)
    cached = workspace.prompts.peek(P)
    assert cached is not None
    for _ in range(3):
        workspace.used_again(cached)
    ask(workspace, Q)
    assert weights(workspace) == {"p.md": 5.0, "part.md": 5.0, "q.md": 1.0}
    assert weights(workspace) == {"p.md": 5.0, "part.md": 5.0, "q.md": 1.0}


@pytest.mark.parametrize(
    "loss",
    ["changed", "evicted", "replaced"],
)
def test_uses_outlive_their_prompt(made: Made, monkeypatch: pytest.MonkeyPatch, loss: str) -> None:
    """A prompt that leaves the cache before its uses were folded has been used all the same."""
    make_files_look_old(monkeypatch)
    workspace = made(cache__prompt_entries=1)
    ask(workspace, Q)
    ask(workspace, Q)
    if loss == "changed":
        path_of(workspace, "q.md").write_text("changed\n")
        workspace.apply([workspace.loader.read(Place(0, "q.md"))])
    elif loss == "evicted":
        ask(workspace, P)
    else:
        workspace.prompts.discard(Q)
        ask(workspace, Q)
    assert weights(workspace)["q.md"] == (3.0 if loss == "replaced" else 2.0)


def test_a_component_that_is_gone_is_not_counted(made: Made) -> None:
    """Its uses end with it."""
    workspace = made()
    ask(workspace, Q)
    path_of(workspace, "q.md").unlink()
    workspace.apply([Reading(Place(0, "q.md"))])
    assert weights(workspace) == {}


def test_warming_pins_and_preloads_what_is_hot(made: Made) -> None:
    """Before anything was used, what most require; what is not in the cache is read and counted."""
    workspace = made(
        {"common.md": "c", "a.md": "<include>common.md</include>", "b.md": "<include>common.md</include>"}
    )
    procedures.run(workspace, procedures.reconcile(workspace))
    common = workspace.library.get("common.md").digest
    workspace.texts.discard(common)
    assert procedures.run(workspace, procedures.warm(workspace)) == 1
    assert workspace.texts.pins == {common}
    assert workspace.statistics().components.preloads == 1
    assert procedures.run(workspace, procedures.warm(workspace)) == 0


def test_use_goes_before_dependents(made: Made) -> None:
    """A hot set of one is what was used, and an invalid file is never in it."""
    workspace = made(
        {"common.md": "c", "a.md": "<include>common.md</include>", "bad.md": "x"}, cache__hot_set=1
    )
    path_of(workspace, "bad.md").write_bytes(b"\xff")
    procedures.run(workspace, procedures.reconcile(workspace))
    workspace.hot.use(["bad.md", "bad.md", "a.md"], 0.0)
    workspace.pin_hot()
    assert workspace.texts.pins == {workspace.library.get("a.md").digest}


def test_an_edit_does_not_rank_the_library_anew(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinning after a mere edit of text costs a look at the ranking, not at everything."""
    workspace = made()
    procedures.run(workspace, procedures.reconcile(workspace))
    workspace.pin_hot()
    ranking = workspace.library.graph._ranking
    path_of(workspace, "q.md").write_text("edited\n")
    workspace.apply([workspace.loader.read(Place(0, "q.md"))])
    workspace.pin_hot()
    assert workspace.library.graph._ranking is ranking


def test_repr_is_telling(made: Made) -> None:
    """Enough to recognise it."""
    assert repr(made()) == "<Workspace of worktree: <Library 0 components, revision 0> test>"
