"""Words and how rare they are: folding, and counting in and out against counting from scratch."""

from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.words import (
    Vocabulary,
    fold,
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


def test_folding_takes_case_punctuation_and_white_space_only() -> None:
    """The same words in order are equal, other words are not."""
    assert fold("Don't  STOP, now!") == fold("don't stop now")
    assert fold("stop now") != fold("now stop")
    assert words("a_b-c 12") == ["a", "b", "c", "12"]
