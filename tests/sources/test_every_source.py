"""What holds for every source: the working tree and a dictionary, under the same tests.

Each test is given a `Kept` library that it can write to and remove from, whatever keeps it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import Place
from promptd.engine import procedures
from promptd.engine.contents import Contents
from promptd.engine.workspace import Workspace
from promptd.errors import PromptdError
from promptd.protocol.request import request_of
from promptd.sources.base import Source
from promptd.sources.memory import SUFFIXES, MemorySource
from promptd.sources.worktree.files import Worktree
from tests.engine.workspaces import contents_of, settings_of

IDS = ("a.md", "b.md", "d/c.md", "d/e.md")
TEXTS = ("", "plain\n", "<include>b.md</include>\n", "@./e.md\n", "<include>d/c.md</include>\n{x}\n", "é\n")
NAMES = ("a", "b", "d/c", "d/e", "gone")


class Kept(Protocol):
    """A library that a test can change."""

    source: Source

    def put(self, id: str, text: str) -> None:
        """Write a text."""

    def remove(self, id: str) -> None:
        """Take a text away, if there is one."""


class KeptInMemory:
    """A library in a dictionary."""

    def __init__(self, _directory: Path) -> None:
        self.source = MemorySource()
        self.put, self.remove = self.source.put, self.source.remove


class KeptOnDisk:
    """A library in a directory."""

    def __init__(self, directory: Path) -> None:
        self.root = directory
        self.source = Worktree([str(directory)], NamingRules(SUFFIXES))

    def put(self, id: str, text: str) -> None:
        """Write a file."""
        path = self.root / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def remove(self, id: str) -> None:
        """Remove a file."""
        (self.root / id).unlink(missing_ok=True)


MAKERS: dict[str, Callable[[Path], Kept]] = {"memory": KeptInMemory, "worktree": KeptOnDisk}
every_source = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def opened(source: Source, contents: Contents | None = None) -> Workspace:
    """Return a workspace of a source, of which nothing was read yet."""
    return Workspace(settings_of(), source, contents or contents_of(), instance="test", now_s=0.0)


def answer(workspace: Workspace, name: str) -> object:
    """Return what a request is answered: the text with its manifest, or the error."""
    flow = procedures.assemble(workspace, request_of((name,), {"x": "1"}), workspace.source.check())
    try:
        prompt = procedures.run(workspace, flow)
    except PromptdError as error:
        return error.type, error.message
    return prompt.text, prompt.manifest, prompt.warnings, prompt.etag


@every_source
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(IDS), st.none() | st.sampled_from(TEXTS), st.booleans()), max_size=8
    )
)
@settings(deadline=None, max_examples=25)
def test_a_warm_workspace_answers_as_a_new_one(
    make: Callable[[Path], Kept],
    steps: list[tuple[str, str | None, bool]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """After every change, whether or not it was rescanned in between, with no event to tell of it."""
    kept = make(tmp_path_factory.mktemp("library"))
    contents = contents_of()
    warm = opened(kept.source, contents)
    for id, text, is_rescanned in steps:
        kept.remove(id) if text is None else kept.put(id, text)
        if is_rescanned:
            procedures.run(warm, procedures.reconcile(warm))
        cold = opened(kept.source, contents)
        assert [answer(warm, name) for name in NAMES] == [answer(cold, name) for name in NAMES]


@every_source
def test_a_scan_lists_what_a_read_finds(make: Callable[[Path], Kept], tmp_path: Path) -> None:
    """The same signature, in a fixed order; names that are no components are left out."""
    kept = make(tmp_path)
    for id in ("b.md", "a.md", "d/c.md", "raw.xml"):
        kept.put(id, id)
    listing = kept.source.scan()
    assert [place.id for place in listing.found] == ["a.md", "b.md", "d/c.md"]
    for place, signature in listing.found.items():
        reading = kept.source.read(place)
        assert (reading.signature, reading.text, reading.parsed) == (signature, place.id, None)
        assert reading.order > listing.order


@every_source
def test_nothing_is_read_where_nothing_is(make: Callable[[Path], Kept], tmp_path: Path) -> None:
    """Neither at an unknown id nor below a root that does not exist; no error is raised."""
    kept = make(tmp_path)
    kept.put("a.md", "a")
    assert kept.source.read(Place(0, "gone.md")).is_absent
    assert kept.source.exists([Place(0, "a.md"), Place(0, "gone.md")]) == [Place(0, "a.md")]


@every_source
def test_evidence_holds_until_something_changes(make: Callable[[Path], Kept], tmp_path: Path) -> None:
    """A changed text and a text where there was none are each found, and named."""
    kept = make(tmp_path)
    kept.put("a.md", "one")
    workspace = opened(kept.source)
    workspace.apply([workspace.loader.read(Place(0, "a.md"))])
    component = workspace.library.get("a.md")
    assert component is not None
    evidence = kept.source.evidence([component], [Place(0, "b.md")])
    check = kept.source.check()
    check.compare(check.doubted(evidence))
    assert check.holds(evidence, 1)
    assert list(check.stale(evidence)) == []
    kept.put("a.md", "other")
    kept.put("b.md", "new")
    later = kept.source.check()
    assert not later.holds(evidence, 1)
    assert set(later.stale(evidence)) == {Place(0, "a.md"), Place(0, "b.md")}
    assert evidence.ids == {"a.md", "b.md"}


@every_source
def test_a_source_says_what_it_is(make: Callable[[Path], Kept], tmp_path: Path) -> None:
    """A name, a root for people, and whether it may change."""
    source = make(tmp_path).source
    assert source.name in MAKERS
    assert len(source.roots) == 1
    assert not source.is_immutable
    assert source.name in repr(source).lower()
