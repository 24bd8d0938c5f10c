"""The library's law: whatever the history of changes, the state equals one built from the last readings."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.library.check import check
from promptd.core.library.library import Delta, Library
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.core.syntax.parse import parse
from promptd.errors import EncodingError, UnreadableComponent
from tests.core.builders import MemoryLibrary

DIALECTS = ("include", "front-matter", "at-import")
IDS = ("a.md", "a.txt", "b.md", "d/a.md", "d/c.md", "raw.xml", "d/CLAUDE.md")
WRITTEN = ("a", "a.md", "a.txt", "b", "d/a", "c.md", "d/c.md", "raw.xml", "../out", "nowhere")
AN_HOUR_LATER = 3_600_000_000_000


def reading(id: str, text: str | None, root: int = 0, *, age: int = 1) -> Reading:
    """Return what a look at a place gives: `text`, or nothing (None)."""
    place = Place(root, id)
    if text is None:
        return Reading(place)
    data = text.encode()
    signature = FileSignature(1, hash(place) & 0xFFFF, len(data), age, age)
    digest = hashlib.sha256(data).hexdigest()
    return Reading(place, signature, AN_HOUR_LATER, digest, text, parse(text, DIALECTS))


def broken(id: str, message: str, root: int = 0) -> Reading:
    """Return a look at a file that cannot be read."""
    return Reading(Place(root, id), FileSignature(1, 2, 3, 4, 5), 9, error=UnreadableComponent(message))


def text_of(
    written: list[str],
    soft: list[str],
    word: str,
    mode: str = "",
    imported: Sequence[str] = (),
    name: str = "",
) -> str:
    """Return a component's text that names others in all ways, and may ask for a mode or have a name."""
    required = f"[{', '.join(soft)}]" if soft else ""
    keys = [
        f"{key}: {value}" for key, value in (("requires", required), ("mode", mode), ("name", name)) if value
    ]
    front = "\n".join(["---", *keys, "---", ""]) if keys else ""
    includes = "".join(f"<include>{name}</include>\n" for name in written)
    return f"{front}{word}\n{includes}" + "".join(f"see @{name}\n" for name in imported)


texts = st.builds(
    text_of,
    st.lists(st.sampled_from(WRITTEN), max_size=3),
    st.lists(st.sampled_from(WRITTEN), max_size=1),
    st.sampled_from(["x", "y"]),
    st.sampled_from(["", "", "reference"]),
    st.lists(st.sampled_from([*WRITTEN, "./a", "../b"]), max_size=2),
    st.sampled_from(["", "", "nowhere", "b"]),
)


def histories(roots: int) -> st.SearchStrategy[list[list[Reading]]]:
    """Return a strategy for sequences of batches over a few places of some roots."""
    where = st.tuples(st.sampled_from(IDS), st.integers(0, roots - 1))
    looks = st.one_of(
        st.builds(
            lambda at, text, age: reading(at[0], text, at[1], age=age), where, texts, st.integers(1, 3)
        ),
        st.builds(lambda at: reading(at[0], None, at[1]), where),
        st.builds(
            lambda at, text, real: replace(reading(at[0], text, at[1]), real_id=real),
            where,
            texts,
            st.sampled_from(["", "x/y.md", "d/y.md"]),
        ),
        st.builds(lambda at, why: broken(at[0], why, at[1]), where, st.sampled_from(["one", "two"])),
    )
    return st.lists(st.lists(looks, min_size=1, max_size=4), min_size=1, max_size=8)


def library_of(*batches: list[Reading], roots: int = 1) -> Library:
    """Return a library that took these batches."""
    library = Library(NamingRules((".md", ".txt")), roots)
    for batch in batches:
        library.apply(batch)
    return library


def state(library: Library) -> dict[str, Any]:
    """Return everything one can ask of a library, in comparable form."""
    held = {id: library.get(id) for id in (*IDS, *WRITTEN) if library.get(id) is not None}
    counts = replace(library.statistics(), revision=0)
    everything = [one for one in held.values() if one is not None and library.is_listed(one.id)]
    assert counts.components == len(library.ids()) == len(everything)
    assert counts.edges == check(library, ()).edges == sum(len(one.edges) for one in everything)
    assert counts.errors == sum(one.error is not None for one in everything)
    assert counts.dangling == sum(link.is_dangling for one in everything for link in one.links)
    return {
        "components": {
            id: (one.place, one.digest, one.links, one.parsed, str(one.error), one.is_racy)
            for id, one in held.items()
            if one is not None
        },
        "places": sorted(place for place, _ in library.held()),
        "ids": library.ids(),
        "edges": {id: list(library.graph.requires(id, hard_only=False)) for id in held},
        "hard": {id: list(library.graph.requires(id)) for id in held},
        "cycles": library.graph.cycles(),
        "wanted": sorted(library.wanted()),
        "names": {name: library.resolve(name) for name in WRITTEN},
        "counts": (len(library), len(library.graph), library.graph.statistics(), counts),
        "dependents": {id: library.dependents(id) for id in held},
        "rows": {id: library.count_dependents(id) for id in held},
    }


def last_readings(history: list[list[Reading]]) -> list[Reading]:
    """Return the newest reading of each place, in a fixed order."""
    newest = {look.place: look for batch in history for look in batch}
    return [newest[place] for place in sorted(newest)]


@given(histories(roots=1))
def test_incremental_equals_from_scratch(history: list[list[Reading]]) -> None:
    """Components, links, edges, cycles and what is wanted do not depend on how the state came about."""
    assert state(library_of(*history)) == state(library_of(last_readings(history)))


@given(histories(roots=3))
def test_incremental_equals_from_scratch_with_shadowing(history: list[list[Reading]]) -> None:
    """The same over several roots: the earliest root that holds an id wins, in whatever order it came."""
    incremental, fresh = library_of(*history, roots=3), library_of(last_readings(history), roots=3)
    assert state(incremental) == state(fresh)
    present = {look.place for look in last_readings(history) if not look.is_absent}
    for id in IDS:
        roots = [place.root for place in sorted(present) if place.id == id]
        component = incremental.get(id)
        assert (None if component is None else component.root) == (roots[0] if roots else None)


@given(histories(roots=2))
def test_a_delta_names_everything_that_became_different(history: list[list[Reading]]) -> None:
    """A component outside `affected` is the same before and after; its id is in no list of the delta."""
    library = library_of(roots=2)
    for batch in history:
        before = state(library)
        delta = library.apply(batch)
        after = state(library)
        for id in IDS:
            if id not in delta.affected:
                assert id not in (*delta.added, *delta.changed, *delta.removed, *delta.relinked)
                assert _content(before, id) == _content(after, id)
        assert set(delta.added) == after["components"].keys() - before["components"].keys()
        assert set(delta.removed) == before["components"].keys() - after["components"].keys()


def _content(seen: dict[str, Any], id: str) -> tuple[Any, ...]:
    found = seen["components"].get(id)
    return () if found is None else (found[0], found[1], found[2], found[4])


@given(histories(roots=2))
def test_readings_that_bring_nothing_new_touch_nothing(history: list[list[Reading]]) -> None:
    """Backdating: the same bytes again, whatever their signature, leave revision and links as they are."""
    library = library_of(*history, roots=2)
    revision, before = library.revision, state(library)
    again = [look for look in last_readings(history) if not look.is_absent]
    assert library.apply(again) == Delta(revision)
    assert (library.revision, state(library)) == (revision, before)


@given(histories(roots=1))
def test_the_revision_counts_batches_that_changed_something(history: list[list[Reading]]) -> None:
    """One step for each truthy delta, none for others."""
    library = library_of()
    deltas = [library.apply(batch) for batch in history]
    assert library.revision == sum(map(bool, deltas))
    assert [delta.revision for delta in deltas if delta] == list(range(1, library.revision + 1))


def test_a_newer_signature_of_the_same_bytes_is_remembered() -> None:
    """A touched file is not read again for ever."""
    library = library_of([reading("a.md", "x")])
    library.apply([reading("a.md", "x", age=7)])
    component = library.get("a.md")
    assert component is not None
    assert component.signature is not None
    assert component.signature.mtime_ns == 7
    assert library.revision == 1


def test_an_ambiguous_link_is_resolved_when_its_rival_goes() -> None:
    """Two files fit `a`; when one goes, the other is meant, though no edge led to either."""
    library = library_of(
        [reading("a.md", "x"), reading("a.txt", "y"), reading("b.md", "<include>a</include>")]
    )
    user = library.get("b.md")
    assert user is not None
    assert user.links[0].target is None
    assert user.links[0].rivals == ("a.md", "a.txt")
    delta = library.apply([reading("a.txt", None)])
    assert user.links[0].target == "a.md"
    assert delta.relinked == ("b.md",)
    assert delta.affected == {"a.txt", "b.md"}


def test_a_removed_component_is_not_current_for_those_who_hold_it() -> None:
    """A record that was let go never compares equal to a digest again, even if the file comes back."""
    library = library_of([reading("a.md", "x")])
    held = library.get("a.md")
    library.apply([reading("a.md", None)])
    library.apply([reading("a.md", "x")])
    assert held is not None
    assert held.digest == ""
    assert library.get("a.md") is not held


def test_a_look_that_was_overtaken_changes_nothing() -> None:
    """Two read the same file; who looked first may apply last, and must not take the library back."""
    library = library_of([replace(reading("a.md", "new"), order=2)])
    assert not library.apply([replace(reading("a.md", "old"), order=1)])
    assert not library.apply([Reading(Place(0, "a.md"), order=1)])
    held = library.get("a.md")
    assert held is not None
    assert held.digest == reading("a.md", "new").digest
    assert library.apply([replace(reading("a.md", "newest"), order=3)])
    assert library.apply([Reading(Place(0, "a.md"))]).removed == ("a.md",), "who did not look knows why"


def test_shadowed_texts_are_not_kept() -> None:
    """Files hidden by an earlier root cost their parse, not their text."""
    library = library_of([reading("a.md", "first"), reading("a.md", "second", root=1)], roots=2)
    assert all(look.text is None for look in library.shadows)


def test_a_shadowed_file_that_proves_nothing_says_so() -> None:
    """A racily clean file in a later root is read again by the next reconcile, like any other."""
    fresh = reading("a.md", "second", root=1)
    racy = Reading(fresh.place, fresh.signature, 1, fresh.digest, fresh.text, fresh.parsed)
    library = library_of([reading("a.md", "first"), racy], roots=2)
    assert dict(library.held())[Place(1, "a.md")] is None


def test_ids_and_what_is_listed() -> None:
    """Files without a component's suffix are components once someone pulls them in."""
    library = library_of([reading("raw.xml", "<x/>"), reading("d/c.md", ""), reading("a.md", "")])
    assert library.ids() == ["a.md", "d/c.md"]
    assert library.ids(["d/*"]) == ["d/c.md"]
    library.apply([reading("b.md", "<include>raw.xml</include>")])
    assert library.ids() == ["a.md", "b.md", "d/c.md", "raw.xml"]
    assert library.is_listed("raw.xml")


def test_files_that_only_unlisted_ones_pull_in_are_not_listed() -> None:
    """What a former user left behind, and what only that pulls in, is no part of the library."""
    library = library_of(
        [
            reading("raw.xml", "<include>other.xml</include>"),
            reading("other.xml", "<include>raw.xml</include>"),
        ]
    )
    assert library.ids() == []


def test_relevance_of_an_event() -> None:
    """An event is worth a read for what is held, wanted, or would be discovered."""
    library = library_of([reading("a.md", "<include>lost.xml</include>")])
    assert library.is_relevant("a.md")
    assert library.is_relevant("lost.xml")
    assert library.is_relevant("new.md")
    assert not library.is_relevant("new.xml")


def test_an_error_of_another_kind_is_a_change() -> None:
    """Both have no digest, yet the prompt's warning differs."""
    library = library_of([broken("a.md", "one")])
    assert not library.apply([broken("a.md", "one")])
    assert library.apply([broken("a.md", "two")]).changed == ("a.md",)


@pytest.mark.parametrize(
    ("error", "proves"),
    [(None, True), (EncodingError("bytes"), True), (UnreadableComponent("no descriptors left"), False)],
)
def test_only_what_follows_from_the_bytes_is_proved_by_a_signature(error: Any, proves: bool) -> None:
    """A file that could not be opened may open the next time though nothing about it changed."""
    look = Reading(Place(0, "a.md"), FileSignature(1, 2, 3, 4, 5), AN_HOUR_LATER, "d", error=error)
    component = library_of([look]).get("a.md")
    assert component is not None
    assert component.is_racy is not proves


@pytest.mark.parametrize(
    ("mtime_s", "ctime_s", "racy"),
    [
        (0, 0, False),
        (99, 0, True),
        (0, 99, True),
        (98, 98, False),
        (101, 0, True),  # the clock of the file system runs a little ahead
        (0, 101, True),
        (0, 999, True),  # the clock was set back: nothing can be said
        (999, 0, False),  # a time of modification that was set: the time of change tells
        (999, 99, True),
    ],
)
def test_racily_clean(mtime_s: int, ctime_s: int, racy: bool) -> None:
    """Read at 100 s: a write less than two seconds before may be followed by one that leaves no trace."""
    second = 1_000_000_000
    assert FileSignature(1, 2, 3, mtime_s * second, ctime_s * second).is_racy_at(100 * second) is racy


def test_statistics_and_repr() -> None:
    """Counts of what is held, and a telling repr."""
    library = library_of(
        [reading("a.md", "<include>a.md</include><include>gone.md</include>"), broken("b.md", "why")]
    )
    counts = library.statistics()
    assert (
        counts.components,
        counts.errors,
        counts.edges,
        counts.dangling,
        counts.cyclic,
        counts.revision,
    ) == ((2, 1, 1, 1, 1, 1))
    assert repr(library) == "<Library 2 components, revision 1>"
    assert repr(library.get("b.md")) == "<Component b.md  promptd.UnreadableComponent>"


@pytest.mark.slow
@pytest.mark.timeout(30)
def test_one_change_in_twenty_thousand_walks_only_what_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Editing a component that everything depends on resolves its own directives and no others."""
    library = Library(NamingRules((".md",)), 1)
    library.apply([reading("base.md", "base"), *(_leaf(number) for number in range(20_000))])
    linked: list[str] = []
    link = library.link
    monkeypatch.setattr(library, "link", lambda directive, id: (linked.append(id), link(directive, id))[1])
    delta = library.apply([reading("base.md", "<include>7.md</include> base")])
    assert (delta.changed, delta.relinked, delta.affected) == (("base.md",), ("base.md",), {"base.md"})
    assert linked == ["base.md"]


def _leaf(number: int) -> Reading:
    return reading(f"{number}.md", f"{number} <include>base.md</include>" if number != 7 else "seven")


def test_a_component_that_wants_to_be_referred_to_makes_no_hard_edge() -> None:
    """`mode: reference` in the target's front matter: no text is pulled in, so there is no cycle either."""
    library = library_of(
        [
            reading("a.md", "<include>b.md</include>"),
            reading("b.md", "---\nmode: reference\n---\n<include>a.md</include>"),
        ]
    )
    assert library.graph.cycles() == []
    library.apply([reading("b.md", "<include>a.md</include>")])
    assert library.graph.cycles() == [("a.md", "b.md", "a.md")]
    library.apply([reading("b.md", "---\nmode: reference\n---\n<include>a.md</include>")])
    assert library.graph.cycles() == []


@pytest.mark.parametrize(
    ("written", "description"),
    [
        ("[beta, two]", "beta, two"),
        ("{a: b}", "a: b"),
        ("true", "true"),
        ("false", "false"),
        ("0", "0"),
        ("1.50", "1.50"),
        ("2024-01-01", "2024-01-01"),
        ("!!binary aGVsbG8=", "aGVsbG8="),
        ("|\n  a\n  b", "a b"),
        ("~", ""),
        ("", ""),
        ("''", ""),
    ],
)
def test_a_description_is_text_on_one_line(written: str, description: str) -> None:
    """Whatever it is in YAML; `false` and `0` are descriptions, and nothing is none."""
    library = MemoryLibrary({"a.md": f"---\ndescription: {written}\n---\n"}).library
    component = library.get("a.md")
    assert component is not None
    assert component.description == description


def test_a_word_in_requires_is_an_id_a_sibling_or_the_name_of_one_component() -> None:
    """A name that two have means none of them, and its own name is nobody's requirement."""
    library = Library(NamingRules((".md",)))

    def required(*readings: Reading) -> list[str]:
        library.apply(readings)
        return list(library.graph.requires("d/m.md", hard_only=False))

    word = "---\nrequires: [audit]\nname: audit\n---\n"
    named = "---\nname: audit\n---\n"
    assert required(reading("d/m.md", "---\nrequires: [audit]\n---\n")) == []
    assert required(reading("x.md", named)) == ["x.md"]
    assert required(reading("y.md", named)) == []
    assert required(reading("x.md", "x\n")) == ["y.md"]
    assert required(reading("d/audit.md", "x\n")) == ["d/audit.md"]
    assert required(reading("d/audit.md", None), reading("y.md", None)) == []
    assert required(reading("d/m.md", word)) == []
