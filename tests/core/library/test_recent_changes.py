"""The history's law: it names all that is different since a revision, or says that it no longer can."""

from hypothesis import given
from hypothesis import strategies as st

from promptd.core.library.recent_changes import MOST_EACH, RecentChanges

Batches = list[dict[str, int]]
batches = st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 2), min_size=1), max_size=12)


def changes_of(batches: Batches, states: dict[str, int | None]) -> list[dict[str, int | None]]:
    """What each batch makes different, with what it was before; `states` is brought up to date."""
    found = []
    for batch in batches:
        found.append({id: states.get(id) for id, state in batch.items() if states.get(id) != state})
        states |= batch
    return found


@given(batches, st.integers(1, 8))
def test_it_names_what_is_different_or_says_that_it_cannot(batches: Batches, most: int) -> None:
    """Held against a list of all batches; it never holds more than it may."""
    history, now = RecentChanges(most), dict[str, int | None]()
    changes = changes_of(batches, now)
    for revision, before in enumerate(changes, 1):
        history.note(revision, before)
        assert len(history) <= most
    for revision in range(len(batches) + 1):
        then = dict[str, int | None]()
        changes_of(batches[:revision], then)
        said = history.since(revision, now.get)
        truth = {id for id in now if now[id] != then.get(id)}
        if said is None:
            assert len(set().union(*changes)) > most
            continue
        extra = set(said) - truth
        assert not truth - set(history.since(revision, now.get) or ())
        assert all(sum(id in each for each in changes) >= MOST_EACH for id in extra)


def test_what_was_changed_back_is_no_change() -> None:
    """Nor what came and went."""
    history = RecentChanges()
    history.note(1, {"a": "old", "b": None})
    history.note(2, {"a": "new", "b": "there"})
    assert list(history.since(0, {"a": "old"}.get) or ()) == []
    assert set(history.since(1, {"a": "old"}.get) or ()) == {"a", "b"}


def test_what_is_held_whole_is_never_refused() -> None:
    """As long as everything fits, any revision is answered."""
    history, now = RecentChanges(most=3), {}
    for revision in range(1, 100):
        id = "abc"[revision % 3]
        history.note(revision, {id: now.get(id)})
        now[id] = revision
    assert set(history.since(0, now.get) or ()) == set("abc")
    assert list(history.since(98, now.get) or ()) == ["a"]
    assert list(history.since(99, now.get) or ()) == []
