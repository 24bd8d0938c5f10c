"""Counting by parts: whatever the parts and the values, every stretch counts as if it were encoded whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.assembly.fill import fill
from promptd.core.assembly.skeleton import Draft, Rules, Skeleton
from promptd.core.syntax.slots import Slot
from promptd.core.tokens.incremental import IncrementalCount
from promptd.core.tokens.segments import Segments
from promptd.engine.tokenizer import Tokenizer, shared
from tests.core.builders import LAW

PIECES = st.text(
    st.sampled_from([*" \t\r\n\n\n/aZé1中'.#-", "\u00a0", "\u0301", "\u2028", "👩", *"don't"]), max_size=30
)


def tokenizer(encoding: str) -> Tokenizer:
    """Load each vocabulary once."""
    return shared(encoding)


@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
@LAW
@given(st.lists(PIECES | st.just(Slot("variable", "{v}", "v")), max_size=8), PIECES, st.data())
def test_every_stretch_counts_as_encoded_whole(
    encoding: str, parts: list[str | Slot], value: str, data: st.DataObject
) -> None:
    """Sums of insides, joints and edges equal the encoder's own count of that stretch."""
    loaded = tokenizer(encoding)
    skeleton = Skeleton([part for part in parts if part], [Draft("a.md", "", "included", (), 0, 0)])
    filled = fill(skeleton, {"v": value}, None, Rules()) if skeleton.parts else None
    if filled is None:
        return
    measured = IncrementalCount(skeleton.layout, Segments(loaded.count_many)).measure(filled)
    start = data.draw(st.integers(0, len(filled.text)))
    end = data.draw(st.integers(start, len(filled.text)))
    for stretch in ((0, len(filled.text)), (start, end)):
        assert measured.count(*stretch) == loaded.count(filled.text[slice(*stretch)])


def test_new_values_count_only_their_surroundings() -> None:
    """A thousand lines around a value are not looked at again."""
    asked: list[str] = []

    def count_many(texts: list[str]) -> list[int]:
        asked.extend(texts)
        return [len(text.split()) for text in texts]

    lines = "".join(f"line {number}\n" for number in range(1_000))
    skeleton = Skeleton([lines, "Hello ", Slot("variable", "{v}", "v"), ".\n", lines])
    segments = Segments(count_many)
    tally = IncrementalCount(skeleton.layout, segments)
    for value in ("Ada", "Bo"):
        asked.clear()
        before = segments.statistics().asked
        filled = fill(skeleton, {"v": value}, None, Rules())
        assert tally.measure(filled).count(0, len(filled.text)) == 4_002
        assert segments.statistics().asked - before < 10
    assert asked == ["Hello Bo.\n"]


def test_an_encoding_without_proven_cuts_is_counted_whole() -> None:
    """No cut is trusted, so that each stretch is one segment."""
    segments = Segments(lambda texts: [len(text) for text in texts], is_additive=False)
    skeleton = Skeleton(["a\nb\nc\n"])
    filled = fill(skeleton, {}, None, Rules())
    assert IncrementalCount(skeleton.layout, segments).measure(filled).count(1, 4) == 3
