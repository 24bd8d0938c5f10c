"""Ids by words, against plain sets."""

from hypothesis import given
from hypothesis import strategies as some

from promptd.core.library.word_index import WordIndex

STEPS = some.lists(some.tuples(some.booleans(), some.sampled_from("abc"), some.sampled_from("xyz")))


@given(STEPS)
def test_it_is_a_map_of_sets(steps: list[tuple[bool, str, str]]) -> None:
    """Whatever is added and discarded, in any order."""
    index, expected = WordIndex(), dict[str, set[str]]()
    for is_added, word, id in steps:
        if is_added:
            index.add((word,), id)
            expected.setdefault(word, set()).add(id)
        else:
            index.discard((word,), id)
            expected.get(word, set()).discard(id)
    held = {word: ids for word, ids in expected.items() if ids}
    assert {word: set(index.of(word)) for word in index} == held
    assert len(index) == len(held)
    assert all((word in index) is (word in held) for word in "abc")
