"""Workspaces: pinned ones beside the current one, what they share, and how often a source is asked."""

from collections.abc import Sequence

import pytest

from promptd.core.syntax.component import Place, Reading
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.engine.workspaces import Workspaces
from promptd.protocol.request import request_of
from promptd.sources import loader
from promptd.sources.base import Listing
from promptd.sources.memory import MemorySource
from tests.engine.workspaces import opened

TEXTS = {"a.md": "A\n<include>b.md</include>\n", "b.md": "B\n", "c.md": "C\n"}


class Asked(MemorySource):
    """An immutable dictionary that counts what it is asked."""

    def __init__(self, texts: dict[str, str], name: str) -> None:
        super().__init__(texts, name=name, is_immutable=True)
        self.asked: list[str] = []

    def scan(self) -> Listing:
        """Count it."""
        self.asked.append("scan")
        return super().scan()

    def read(self, place: Place, *, was_filled: bool = False) -> Reading:
        """Count it."""
        self.asked.append(place.id)
        return super().read(place, was_filled=was_filled)

    def exists(self, places: Sequence[Place]) -> list[Place]:
        """Count it."""
        self.asked.append("exists")
        return super().exists(places)


def text(workspace: Workspace, name: str) -> str:
    """Return the text of a prompt."""
    flow = procedures.assemble(workspace, request_of((name,)), workspace.source.check())
    return procedures.run(workspace, flow).text


@pytest.fixture
def current() -> Current:
    """A workspace that was read whole."""
    workspace = opened(MemorySource(TEXTS))
    procedures.run(workspace, procedures.reconcile(workspace))
    return Current(workspace)


def test_an_immutable_source_is_asked_once(current: Current) -> None:
    """Whatever is asked again afterwards, prompts and rescans, is answered from what was read."""
    source = Asked(TEXTS, "fixed:1")
    pinned = Workspaces(current).pinned(source.name, lambda: source)
    procedures.run(pinned, procedures.reconcile(pinned))
    assert text(pinned, "a") == "A\nB\n"
    before = list(source.asked)
    for _ in range(3):
        assert text(pinned, "a") == "A\nB\n"
        assert not procedures.run(pinned, procedures.reconcile(pinned))
    assert source.asked == before


def test_a_pinned_workspace_stays_as_it_was(current: Current) -> None:
    """Changes of the current one are not seen there, nor the other way round; each has a clock of its own."""
    spaces = Workspaces(current)
    pinned = spaces.pinned("fixed:1", lambda: MemorySource(TEXTS, name="fixed:1", is_immutable=True))
    source = current.workspace.source
    assert isinstance(source, MemorySource)
    source.put("b.md", "changed\n")
    assert text(current.workspace, "a") == "A\nchanged\n"
    assert text(pinned, "a") == "A\nB\n"
    assert pinned.clock != current.workspace.clock
    assert pinned.clock.count(":") == 2


def test_an_unchanged_file_is_neither_parsed_nor_counted_again(
    current: Current, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is keyed by digest is shared: only the one file that differs costs anything."""
    parsed: list[str] = []
    parse = loader.parse
    monkeypatch.setattr(loader, "parse", lambda text, names: parsed.append(text) or parse(text, names))
    text(current.workspace, "a")
    counted = current.workspace.segments.statistics().known
    spaces = Workspaces(current)
    texts = TEXTS | {"c.md": "another C\n"}
    pinned = spaces.pinned("fixed:1", lambda: MemorySource(texts, name="fixed:1", is_immutable=True))
    procedures.run(pinned, procedures.reconcile(pinned))
    assert text(pinned, "a") == "A\nB\n"
    assert parsed == ["another C\n"]
    assert current.workspace.segments.statistics().known == counted
    assert pinned.library.get("a.md").parsed is current.workspace.library.get("a.md").parsed


def test_the_last_used_are_kept(current: Current) -> None:
    """A bounded number, least recently used first out; one that went is opened again when it is asked for."""
    spaces = Workspaces(current, most=2)
    made: list[str] = []

    def pin(name: str) -> Workspace:
        def make() -> MemorySource:
            made.append(name)
            return MemorySource(TEXTS, name=name, is_immutable=True)

        return spaces.pinned(name, make)

    first = pin("1")
    assert pin("2") is not first
    assert pin("1") is first
    pin("3")
    assert spaces.names() == ["1", "3"]
    pin("2")
    assert made == ["1", "2", "3", "2"]
    assert len(spaces) == 3
    spaces.close()
    assert spaces.names() == []


def test_a_reload_lets_the_pinned_ones_go(current: Current) -> None:
    """They were made by the configuration before; the next is made beside the workspace in force."""
    spaces = Workspaces(current)

    def pin() -> Workspace:
        return spaces.pinned("1", lambda: MemorySource(TEXTS, name="1", is_immutable=True))

    before = pin()
    assert pin() is before
    current.workspace = opened(MemorySource(TEXTS))
    assert pin() is not before
    assert pin().contents is current.workspace.contents


def test_what_may_change_cannot_be_pinned(current: Current) -> None:
    """It would be answered from without ever being looked at again."""
    with pytest.raises(ValueError, match="memory may change"):
        Workspaces(current).pinned("memory", MemorySource)
    assert "1 pinned" not in repr(Workspaces(current))
