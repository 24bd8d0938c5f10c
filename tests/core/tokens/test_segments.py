"""Token sums: whatever the text, the count by segments equals encoding it whole."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptd.core.tokens.segments import Segments
from promptd.engine.tokenizer import Tokenizer, shared
from tests.suite.examples import examples

ENCODINGS = ("o200k_base", "cl100k_base")
# Pieces that pre-tokenizers treat specially: white space of every kind (also what Python counts as such and
# Unicode does not), line ends, slashes after them, marks, digits, contractions, emoji sequences, specials.
HOSTILE = (
    *" \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2009\u2028\u2029\u202f\u205f\u3000",
    *"\u180e\u200b\u200d\ufeff\u2060\0\ufffd",
    "\r\n",
    "\n\n",
    "\n ",
    " \n",
    "\n/",
    "//",
    "\n#",
    "!\n",
    "\n!",
    "/\n",
    *"aZéßĿǅ_.-*'\"/\\",
    "'s",
    "'T",
    "'\u017f",  # the long s folds to s
    "don't",
    "WE'LL",
    *"0123456789½Ⅷ٣",
    "\u0301",
    "e\u0301",
    "\n\u0301",
    "कि",
    "한국",
    "日本語",
    "👩‍👩‍👧",
    "🏳️‍🌈",
    "🇩🇪",
    "\U0001f3fd",
    "<|endoftext|>",
    "<|endofprompt|>",
    "<|fim_prefix|>",
)
hostile = st.lists(st.sampled_from(HOSTILE) | st.characters(exclude_categories=["Cs"]), max_size=40).map(
    "".join
)


def tokenizer(encoding: str) -> Tokenizer:
    """Return the tokenizer, loaded once."""
    return shared(encoding)


def segments(encoding: str) -> Segments:
    """Return a fresh counter over a real encoder."""
    return Segments(tokenizer(encoding).count_many)


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=examples(200))
@given(text=hostile)
@example(text="")
@example(text="\n")
@example(text="a!\n/b\n c\r\nd\n\n\ne \n\t\nf")
def test_a_sum_over_segments_is_the_count_of_the_whole(encoding: str, text: str) -> None:
    """The law everything else about tokens stands on, over hostile text, for both encodings."""
    assert segments(encoding).count(text) == tokenizer(encoding).count(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=examples(50))
@given(texts=st.lists(hostile, max_size=8))
def test_what_is_remembered_does_not_change_a_count(encoding: str, texts: list[str]) -> None:
    """One counter for many texts, and for their joints, gives what fresh ones give."""
    counter = segments(encoding)
    for text in [*texts, "\n".join(texts), "".join(texts)]:
        assert counter.count(text) == tokenizer(encoding).count(text)


def words(texts: Sequence[str]) -> list[int]:
    """Count words: a stand-in that is additive over lines and costs nothing."""
    return [len(text.split()) for text in texts]


def test_each_distinct_segment_is_encoded_once() -> None:
    """Repeated lines, and the same text again, cost a look-up each."""
    counter = Segments(words)
    assert counter.count("one two\nthree\none two\nend") == 6
    assert counter.count("one two\nthree\none two\nend") == 6
    counts = counter.statistics()
    assert (counts.asked, counts.encoded, counts.known) == (8, 3, 3)
    assert repr(counter) == "<Segments 3 known>"


def test_a_segment_at_the_end_is_another_than_the_same_in_the_middle() -> None:
    """With and without the newline they may be different tokens."""
    asked: list[str] = []
    counter = Segments(lambda texts: [asked.append(text) or 1 for text in texts])
    counter.count("a\na")
    assert asked == ["a\n", "a"]


def test_an_encoding_without_proven_cuts_is_counted_whole() -> None:
    """No cut is made that was not checked."""
    asked: list[str] = []
    counter = Segments(lambda texts: [asked.append(text) or 1 for text in texts], is_additive=False)
    counter.count("a\nb\nc")
    assert asked == ["a\nb\nc"]


@given(st.lists(st.text("ab\n", max_size=30), max_size=30))
def test_memory_is_bounded_in_bytes(texts: list[str]) -> None:
    """Past its bound the memory starts afresh; counts stay right, and one text at most is too much."""
    counter = Segments(words, max_bytes=2_000)
    for text in texts:
        assert counter.count(text) == len(text.split())
        assert counter.statistics().known_bytes <= 2_000 + 31 * 200


def test_a_failing_encoder_leaves_no_trace() -> None:
    """What could not be counted is not remembered as counted."""
    answers = [ValueError("no"), None]

    def count_many(texts: Sequence[str]) -> list[int]:
        problem = answers.pop(0)
        if problem:
            raise problem
        return words(texts)

    counter = Segments(count_many)
    with pytest.raises(ValueError, match="no"):
        counter.count("a b")
    assert counter.count("a b") == 2
