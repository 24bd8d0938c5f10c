"""Traces against the naive way: a list with the source index of every character."""

from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.edits import Edit, Trace, ordered

edits = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 8), st.sampled_from(["", "x", "yz"])), max_size=6
)


@given(text=st.text(alphabet="abcdefgh", max_size=30), rounds=st.lists(edits, max_size=3), span=edits)
def test_a_trace_equals_an_index_for_every_character(
    text: str, rounds: list[list[tuple[int, int, str]]], span: list[tuple[int, int, str]]
) -> None:
    """Text and both directions of mapping, over several rounds of edits."""
    trace = Trace.of(text)
    naive: list[tuple[str, int | None]] = [(character, index) for index, character in enumerate(text)]
    for batch in rounds:
        size = len(trace.text)
        made = ordered(Edit(min(at, size), min(at + length, size), new) for at, length, new in batch)
        trace = trace.apply(made)
        for edit in reversed(made):
            naive[edit.start : edit.end] = [(character, None) for character in edit.text]
    assert trace.text == "".join(character for character, _ in naive)
    for at, length, _ in span:
        start, end = min(at, len(text)), min(at + length, len(text))
        kept = [
            place for place, (_, source) in enumerate(naive) if source is not None and start <= source < end
        ]
        first, last = trace.current_span(start, end)
        assert (first, last) == (kept[0], kept[-1] + 1) if kept else first == last
        sources = [source for _, source in naive[first:last] if source is not None]
        assert not sources or trace.source_span(first, last) == (sources[0], sources[-1] + 1)


def test_of_overlapping_edits_the_first_and_longest_stands() -> None:
    """What is applied is sorted and disjoint."""
    chosen = ordered([Edit(5, 7), Edit(0, 3), Edit(0, 6), Edit(6, 9)])
    assert [(edit.start, edit.end) for edit in chosen] == [(0, 6), (6, 9)]
