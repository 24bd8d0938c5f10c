"""Plans: members in order of first use, the facts they rest on, and refusals."""

import pytest

from promptd.core.library.library import Library
from promptd.core.library.plan import MAX_LINKS, plan
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import FileSignature, Place, Reading
from promptd.core.syntax.parse import parse
from promptd.errors import (
    AmbiguousName,
    CycleError,
    EncodingError,
    OutsideRoot,
    PromptTooLarge,
    UnknownComponent,
)
from tests.core.builders import DIALECTS, MemoryLibrary


def include(*ids: str) -> str:
    """A text that includes these, one a line, from line 1 on."""
    return "".join(f"<include>{id}</include>\n" for id in ids)


def test_members_come_in_order_of_first_use() -> None:
    """Depth first, as their texts appear; each once, however often it is used."""
    library = MemoryLibrary(
        {"a.md": include("c.md", "b.md"), "b.md": include("d.md"), "c.md": include("d.md"), "d.md": ""}
    )
    found = library.plan("a")
    assert found.ids == ("a.md",)
    assert [member.id for member in found.members] == ["a.md", "c.md", "d.md", "b.md"]
    assert found.refusal is None


def test_several_names_in_their_order() -> None:
    """Also the same one twice."""
    library = MemoryLibrary({"a.md": include("b.md"), "b.md": ""})
    assert library.plan("b", "a", "b").ids == ("b.md", "a.md", "b.md")
    assert [member.id for member in library.plan("b", "a").members] == ["b.md", "a.md"]


def test_what_is_only_referred_to_brings_nothing_along() -> None:
    """The target is needed for its description; what it includes is not, nor what is required softly."""
    text = "---\nrequires: [s.md]\n---\n<include mode='reference'>r.md</include>\n"
    library = MemoryLibrary({"a.md": text, "r.md": include("x.md"), "x.md": "", "s.md": ""})
    assert [member.id for member in library.plan("a").members] == ["a.md", "r.md"]


def test_a_reference_that_is_also_included_is_expanded() -> None:
    """Whichever comes first."""
    library = MemoryLibrary({"a.md": "@&r.md\n@r.md\n", "r.md": include("x.md"), "x.md": ""})
    assert {member.id for member in library.plan("a").members} == {"a.md", "r.md", "x.md"}


def test_a_plan_rests_on_places_that_are_empty() -> None:
    """Missing targets, and names tried before the one that was found."""
    library = MemoryLibrary({"a.md": include("gone.md"), "d/b.md": include("c.md"), "d/c.md": ""})
    assert library.plan("a.md").absent == (Place(0, "gone.md"),)
    assert library.plan("d/b.md").absent == (Place(0, "c.md"),)


def test_a_name_without_suffix_rests_on_its_rivals_being_absent() -> None:
    """A file of another suffix would make the name ambiguous."""
    absent = MemoryLibrary({"a.md": ""}).plan("a").absent
    assert [place.id for place in absent] == ["a.markdown", "a.mdc", "a.txt", "a.prompt"]


def test_a_plan_rests_on_earlier_roots_too() -> None:
    """A file of the same id in an earlier root would take a member's place."""
    library = Library(NamingRules((".md",)), roots=2)
    library.apply(
        [Reading(Place(1, "a.md"), FileSignature(1, 1, 1, 1, 1), 0, "1", "x", parse("x", DIALECTS))]
    )
    assert plan(library, ["a.md"]).absent == (Place(0, "a.md"),)


@pytest.mark.parametrize(
    ("name", "leaf", "words"),
    [
        ("gone", UnknownComponent, "no component named 'gone'"),
        ("b", AmbiguousName, "b.md, b.txt"),
        ("../a", OutsideRoot, "leads out of the library"),
        ("/a.md", OutsideRoot, "absolute"),
    ],
)
def test_names_that_cannot_be_planned(name: str, leaf: type[Exception], words: str) -> None:
    """The refusal is part of the plan, not raised, and says what is wrong with the name."""
    found = MemoryLibrary({"a.md": "", "b.md": "", "b.txt": ""}).plan("a", name)
    assert isinstance(found.refusal, leaf)
    assert words in str(found.refusal)
    assert found.ids == ()


def test_an_unknown_name_rests_on_every_place_it_was_looked_for() -> None:
    """So that the refusal is as fresh as an answer."""
    found = MemoryLibrary({"a.md": ""}).plan("gone")
    assert [place.id for place in found.absent] == [
        "gone.md", "gone.markdown", "gone.mdc", "gone.txt", "gone.prompt",
    ]  # fmt: skip


def test_an_unknown_name_rests_on_the_other_names_too() -> None:
    """Were one of them gone by now, it might be the one to name: the same files give the same refusal."""
    found = MemoryLibrary({"a.md": "", "b.md": ""}).plan("a.md", "nowhere.md", "b.md")
    assert isinstance(found.refusal, UnknownComponent)
    assert [member.id for member in found.members] == ["a.md", "b.md"]


def test_a_requested_file_that_cannot_be_used_refuses_with_its_own_error() -> None:
    """As an included one it costs only itself."""
    broken = EncodingError("b.md is not UTF-8", id="b.md")
    library = MemoryLibrary({"a.md": include("b.md"), "b.md": broken})
    assert library.plan("b").refusal is broken
    assert library.plan("a").refusal is None


# -- cycles -----------------------------------------------------------------------------------


def test_a_cycle_is_refused_with_its_whole_chain() -> None:
    """Each component with the line of the directive that leads on, back to the first."""
    library = MemoryLibrary(
        {
            "a.md": f"\n\n{include('b.md')}",
            "b.md": f"\n{include('c.md')}",
            "c.md": include("a.md"),
            "x.md": "x",
        }
    )
    refusal = library.plan("a").refusal
    assert isinstance(refusal, CycleError)
    assert "a.md:3 → b.md:2 → c.md:1 → a.md" in str(refusal)
    assert refusal.details["chain"] == ["a.md:3", "b.md:2", "c.md:1", "a.md"]
    assert library.plan("x").refusal is None


def test_a_cycle_further_down_refuses_what_contains_it_and_nothing_else() -> None:
    """The chain is that of the cycle."""
    library = MemoryLibrary({"top.md": include("b.md"), "b.md": include("b.md"), "other.md": ""})
    refusal = library.plan("top").refusal
    assert isinstance(refusal, CycleError)
    assert refusal.details["chain"] == ["b.md:1", "b.md"]
    assert library.plan("other").refusal is None


@pytest.mark.parametrize(
    "text", ["<include>a.md</include>", "{{component: a.md}}", "---\nincludes: a.md\n---\n"]
)
def test_a_file_that_includes_itself(text: str) -> None:
    """In every dialect but that of imports."""
    assert isinstance(MemoryLibrary({"a.md": text}).plan("a").refusal, CycleError)


@pytest.mark.parametrize(
    "text",
    ["```\n<include>a.md</include>\n```\n", "`<include>a.md</include>`", "<!-- @a.md -->", "@&a.md\n",
     "---\nrequires: [a.md]\n---\n", "@a.md\n", "see @a.md\n"],
)  # fmt: skip
def test_what_looks_like_a_cycle_and_is_none(text: str) -> None:
    """Examples, references and soft edges pull no text in; an import of what is loaded is skipped."""
    assert MemoryLibrary({"a.md": text}).plan("a").refusal is None


def test_optional_includes_make_cycles_too() -> None:
    """A cycle is refused statically, even under a condition."""
    assert isinstance(
        MemoryLibrary({"a.md": '<include optional="true">a.md</include>'}).plan("a").refusal, CycleError
    )


def test_too_many_directives_are_refused_before_all_are_looked_at() -> None:
    """What lies beyond the bound is no part of the plan: it need not be read."""
    files = {f"d{at}.md": include(*(f"none{at}-{line}.md" for line in range(100))) for at in range(400)}
    library = MemoryLibrary({"all.md": include(*files), **files})
    found = library.plan("all")
    assert isinstance(found.refusal, PromptTooLarge)
    assert found.refusal.details == {"limit": MAX_LINKS}
    assert len(found.members) < 250
    assert library.plan("d0").refusal is None
