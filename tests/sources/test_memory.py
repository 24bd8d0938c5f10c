"""The dictionary as a source, where it differs from others: nothing is doubted, and it may be fixed."""

import pytest

from promptd.core.syntax.component import Place
from promptd.sources.base import Unchanging
from promptd.sources.memory import MemorySource


def test_every_write_is_another_version() -> None:
    """Even one with the same text: it proves at once what other sources have to wait for."""
    source = MemorySource({"a.md": "a"})
    first = source.signature(Place(0, "a.md"))
    source.put("a.md", "a")
    assert source.signature(Place(0, "a.md")) != first
    reading = source.read(Place(0, "a.md"))
    assert reading.is_settled
    assert reading.signature is not None
    assert reading.signature.size == 1


def test_an_immutable_one_cannot_be_changed() -> None:
    """Neither by writing nor by removing; its check asks for nothing but what was never read."""
    source = MemorySource({"a.md": "a"}, name="fixed", is_immutable=True)
    with pytest.raises(TypeError, match="fixed is immutable"):
        source.put("a.md", "b")
    with pytest.raises(TypeError, match="fixed is immutable"):
        source.remove("a.md")
    check = source.check()
    assert isinstance(check, Unchanging)
    evidence = source.evidence([], [Place(0, "a.md"), Place(0, "gone.md")])
    assert check.holds(evidence, 1)
    assert list(check.stale(evidence)) == [Place(0, "a.md")]
    assert source.roots == ("memory:fixed",)


def test_ignored_names_are_not_listed() -> None:
    """They can be read by those who name them, as everywhere."""
    source = MemorySource({"a.md": "a", "b.log": "b"})
    assert [place.id for place in source.scan().found] == ["a.md"]
    assert source.read(Place(0, "b.log")).text == "b"
    assert source.read(Place(1, "a.md")).is_absent
