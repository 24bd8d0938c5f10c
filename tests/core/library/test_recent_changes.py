"""The history's law: it names all that changed after a revision, or says that it no longer can."""

from hypothesis import given
from hypothesis import strategies as st

from promptd.core.library.recent_changes import RecentChanges

batches = st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1), max_size=12)


@given(batches, st.integers(1, 8))
def test_it_names_all_that_changed_since_or_says_that_it_cannot(batches: list[set[str]], most: int) -> None:
    """Held against a list of all batches; it never holds more than it may."""
    history = RecentChanges(most)
    for revision, ids in enumerate(batches, 1):
        history.note(revision, ids)
        assert len(history) <= most
    for revision in range(len(batches) + 1):
        said = history.since(revision)
        truth = set().union(*batches[revision:])
        if said is None:
            assert len(set().union(*batches)) > most
        else:
            assert set(said) == truth


def test_what_is_held_whole_is_never_refused() -> None:
    """As long as everything fits, any revision is answered."""
    history = RecentChanges(most=3)
    for revision in range(1, 100):
        history.note(revision, ["abc"[revision % 3]])
    assert set(history.since(0) or ()) == set("abc")
    assert list(history.since(98) or ()) == ["a"]
    assert list(history.since(99) or ()) == []
