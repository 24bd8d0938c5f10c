"""Words and how rare they are: folding, and counting in and out against counting from scratch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.words import (
    Vocabulary,
    idf_of,
    words,
)

texts = st.lists(st.text(alphabet="abc dE.é1", max_size=20), max_size=8)


@given(kept=texts, gone=texts)
def test_taking_texts_out_leaves_what_counting_the_rest_gives(kept: list[str], gone: list[str]) -> None:
    """Incremental equals from scratch."""
    vocabulary = Vocabulary([*kept, *gone])
    for text in gone:
        vocabulary.remove(text)
    assert vocabulary.idf() == idf_of(kept)


def test_rare_words_tell_more_and_none_tells_nothing() -> None:
    """A word of one text outweighs one of all; a word never seen counts as a rare one."""
    idf = idf_of(["common rare", "common", "common"])
    assert idf.of("rare") > idf.of("common") > 0
    assert idf.of("unseen") == idf.of("rare")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C", "C++"), ("C", "C#"), ("F", "F♯"), ("load < limit", "load > limit"), ("a && b", "a || b"),
        ("5 $", "5 €"), ("👍", "👎"), ("✅ done", "❌ done"), ("ก่า", "ก้า"), ("résumé", "resume"), ("½", "¼"),
        ("re\u0301sume\u0301", "resume"), ("كَتَبَ", "كُتِبَ"), ("a → b", "a ← b"), ("x + y", "x y"),
    ],
)  # fmt: skip
def test_symbols_and_marks_make_words_differ(one: str, other: str) -> None:
    """Operators, currencies, pictures and the marks of letters are read, so they count."""
    assert words(one) != words(other)


def test_folding_takes_case_punctuation_and_white_space_only() -> None:
    """The same words in order are equal, other words are not; so are canonically equal spellings."""
    assert words("Don't  STOP, now!") == words("don't stop now")
    assert words("stop now") != words("now stop")
    assert words("a_b-c 12") == ["a", "b", "c", "12"]
    assert words("re\u0301sume\u0301") == words("résumé")
