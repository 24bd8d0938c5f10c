"""Imports (`@path`): where they are looked up, where their text goes, and that a word without text stays."""

from typing import Any

import pytest

from promptd.core.assembly.skeleton import ImportRules, Rules
from promptd.errors import ComponentTooLarge, MissingInclude
from tests.core.builders import MemoryLibrary, text_of

MARKED = Rules(imports=(ImportRules("marked"),))


def said(library: MemoryLibrary, name: str) -> list[tuple[str, int, str]]:
    """(kind, line, target) of the warnings of a prompt."""
    return [(one.kind, one.line, one.target) for one in library.assemble(name).warnings]


# -- what is not there ------------------------------------------------------------------------


def test_a_missing_import_stays_and_is_said() -> None:
    """Inside a sentence and alone on its line; with file, line and chain."""
    text = "Always read @a.md and @docs/b.md first.\n@./c.md\n"
    library = MemoryLibrary({"m.md": "<include>x.md</include>\n", "x.md": text})
    prompt = library.assemble("m")
    assert prompt.text == text
    assert said(library, "m") == [
        ("missing", 1, "a.md"),
        ("missing", 1, "docs/b.md"),
        ("missing", 2, "./c.md"),
    ]
    assert prompt.warnings[2].chain == ("m.md:1", "x.md:2")
    assert prompt.piece("docs/b.md") == "", "the word belongs to its sentence: no budget can drop it alone"
    with pytest.raises(MissingInclude, match=r"x\.md:1: 'a\.md' does not exist"):
        library.assemble("m", rules=Rules(missing="error"))


@pytest.mark.parametrize("text", ["see @b.md#Nowhere.\n", "@b.md#Nowhere\n"])
def test_a_missing_section_can_be_an_error(text: str) -> None:
    """Inside a line and alone on it."""
    with pytest.raises(MissingInclude, match=r"m\.md:1: b\.md has no section 'Nowhere'"):
        MemoryLibrary({"m.md": text, "b.md": "B\n"}).assemble("m", rules=Rules(missing="error"))


def test_an_optional_one_inside_a_line_stays_without_a_warning() -> None:
    """A sentence is never given a hole; alone on its line it goes, as every optional directive."""
    prompt = MemoryLibrary({"m.md": "See @?a.md first.\n@?a.md\n"}).assemble("m")
    assert (prompt.text, prompt.warnings) == ("See @?a.md first.\n", ())
    assert prompt.reasons[1:] == [("a.md", "optional")] * 2


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"m.md": "@b.md#Nowhere\nsee @b.md#Nowhere.\n", "b.md": "B\n"}, "no-section"),
        ({"m.md": "@b.md\nsee @b.md.\n", "b.md": ComponentTooLarge("b.md has 9 bytes", id="b.md")}, "error"),
        ({"m.md": "@m.md\nsee @m.md.\n"}, "cycle"),
    ],
)  # fmt: skip
def test_whatever_gives_no_text_stays_and_is_said(files: dict[str, Any], kind: str) -> None:
    """Missing sections, files that cannot be used, and what is being put in already."""
    prompt = MemoryLibrary(files).assemble("m")
    assert prompt.text == files["m.md"]
    assert prompt.kinds == [kind, kind]
    assert [reason for _, reason in prompt.reasons[1:]] == [kind, kind]


# -- cycles -----------------------------------------------------------------------------------


def test_a_file_that_mentions_itself_or_what_includes_it() -> None:
    """What is loaded already is skipped: the word stays, and the warning has the chain."""
    assert text_of({"CLAUDE.md": "Keep @CLAUDE.md short.\n"}, "CLAUDE.md") == "Keep @CLAUDE.md short.\n"
    library = MemoryLibrary({"a.md": "A\n@b.md\n", "b.md": "B\n@c.md\n", "c.md": "C, of @a.md and @b.md\n"})
    prompt = library.assemble("a")
    assert prompt.text == "A\nB\nC, of @a.md and @b.md\n"
    assert [(one.kind, one.target, one.chain) for one in prompt.warnings] == [
        ("cycle", "a.md", ("a.md:2", "b.md:2", "c.md:1")),
        ("cycle", "b.md", ("a.md:2", "b.md:2", "c.md:1")),
    ]
    assert library.assemble("c").text == "C, of @a.md and @b.md\n\nA\nB\n@c.md\n"


def test_a_circle_of_includes_and_imports_is_cut_where_it_closes() -> None:
    """It is refused from neither end: an import stays as written, an include goes, and both are said."""
    library = MemoryLibrary({"a.md": "A\n<include>b.md</include>\n", "b.md": "B\n@a.md\n"})
    assert library.assemble("a").text == "A\nB\n@a.md\n"
    assert library.assemble("b").text == "B\nA\n"
    assert said(library, "a") == [("cycle", 2, "a.md")]
    assert said(library, "b") == [("cycle", 2, "b.md")]


# -- where it is looked up --------------------------------------------------------------------


@pytest.mark.parametrize("from_id", ["commands/x.md", "agents/x.md", "skills/x/SKILL.md", "d/e/rules/x.md"])
def test_beside_the_file_then_from_the_root(from_id: str) -> None:
    """As commands, agents, skills and rules are written."""
    folder = from_id.rpartition("/")[0]
    files = {from_id: "@docs/a.md\n", "docs/a.md": "root\n"}
    assert text_of(files, from_id) == "root\n"
    assert text_of(files | {f"{folder}/docs/a.md": "beside\n"}, from_id) == "beside\n"
    absent = {place.id for place in MemoryLibrary(files).plan(from_id).absent}
    assert f"{folder}/docs/a.md" in absent, "a file that comes to be there changes the prompt"


@pytest.mark.parametrize("name", ["CLAUDE.md", "CLAUDE.local.md", "AGENTS.md", "GEMINI.md"])
@pytest.mark.parametrize(
    ("folder", "written", "right"),
    [
        ("d", "docs/a.md", "../docs/a.md"),
        ("d/e", "docs/a.md", "../../docs/a.md"),
        ("docs/e", "docs/a.md", "../a.md"),
        ("docs", "docs/a.md", "a.md"),
        ("d", "./docs/a", "../docs/a.md"),
        ("d", "docs/a\\ b.md", "../docs/a\\ b.md"),
    ],
)  # fmt: skip
def test_a_memory_file_looks_beside_itself_alone(name: str, folder: str, written: str, right: str) -> None:
    """What exists at the root is said with the word that would mean it, and that word does mean it."""
    files = {f"{folder}/{name}": f"@{written}\n", "docs/a.md": "A\n", "docs/a b.md": "A\n"}
    prompt = MemoryLibrary(files).assemble(f"{folder}/{name}")
    assert prompt.text == f"@{written}\n"
    assert f"it exists at the root: write `@{right}`" in prompt.warnings[0].message
    assert text_of(files | {f"{folder}/{name}": f"@{right}\n"}, f"{folder}/{name}") == "A\n"


def test_what_a_memory_file_is_told_rests_on_both_places() -> None:
    """The hint on the file at the root, its absence on both: each may come and go."""
    library = MemoryLibrary({"d/CLAUDE.md": "@a.md\n"})
    assert {place.id for place in library.plan("d/CLAUDE").absent} >= {"d/a.md", "a.md"}
    assert "exists at the root" not in library.assemble("d/CLAUDE").warnings[0].message
    library.library.apply([library.reading("a.md", "A")])
    assert "write `@../a.md`" in library.assemble("d/CLAUDE").warnings[0].message
    (component,) = library.plan("d/CLAUDE").members
    assert component.links[0].rivals == ("a.md",)


def test_a_tentative_word_needs_the_exact_name() -> None:
    """A mention of an agent is no import of its file."""
    files = {"m.md": "Delegate to @code-reviewer.\n", "code-reviewer.md": "You review.\n"}
    prompt = MemoryLibrary(files).assemble("m")
    assert (prompt.text, prompt.warnings) == (files["m.md"], ())
    assert (
        text_of({"m.md": "@./code-reviewer\n", "code-reviewer.md": "You review.\n"}, "m.md")
        == "You review.\n"
    )


def test_packages_and_handles_are_imports_only_where_the_very_file_exists() -> None:
    """Literal and not said otherwise."""
    files = {"m.md": "@google/design.md\n"}
    assert text_of(files, "m.md") == "@google/design.md\n"
    assert text_of(files | {"google/design.md": "D\n"}, "m.md") == "D\n"


# -- where the text goes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "included", "expected"),
    [
        ("Read @b.md first.\nThen go.\n", "B\n", "Read @b.md first.\nThen go.\n\nB\n"),
        ("Read @b.md first.", "B", "Read @b.md first.\n\nB"),
        ("Read @b.md first.\n\n", "B\n", "Read @b.md first.\n\nB\n"),
        ("Read @b.md first.\r\n", "B\r\n", "Read @b.md first.\r\n\r\nB\r\n"),
        ("- @b.md\n- @b.md\n", "B\n", "- @b.md\n- @b.md\n\nB\n"),
        ("- @b.md: see @b.md\n@b.md\n", "B\n", "- @b.md: see @b.md\nB\n"),
        ("Read @b.md.\n", "", "Read @b.md.\n"),
        (
            "a @&b.md z\n",
            "B\n",
            "a [reference: 2 tokens; fetch: `promptd get b.md --digest c0cde77fa8fe`] z\n",
        ),
    ],
)
def test_after(text: str, included: str, expected: str) -> None:
    """The sentence stays; the file follows as a block of its own, once; one alone on its line is replaced."""
    assert text_of({"m.md": text, "b.md": included}, "m.md") == expected


def test_blocks_follow_the_file_in_which_they_are_named() -> None:
    """In the order of the words, inside the span of that file's piece, also where it is put into a line."""
    files = {"m.md": "@x.md\nend\n", "x.md": "Read @c.md and @b.md.\n", "b.md": "B\n", "c.md": "C of @b.md\n"}
    prompt = MemoryLibrary(files).assemble("m")
    assert prompt.text == "Read @c.md and @b.md.\n\nC of @b.md\n\nB\nend\n"
    assert prompt.piece("x.md") == prompt.text.removesuffix("end\n")
    assert prompt.reasons == [
        ("m.md", "included"), ("x.md", "included"), ("c.md", "included"), ("b.md", "included"),
        ("b.md", "deduplicated"),
    ]  # fmt: skip
    inside = {"m.md": "- <include>x.md</include> end\n", "x.md": "Read @b.md.\n", "b.md": "B\n"}
    assert text_of(inside, "m.md") == "- Read @b.md.\n\nB\n end\n"


def test_marked() -> None:
    """In place, between the comments of Gemini CLI, which name what was written."""
    files = {"GEMINI.md": "x\n@./b.md\ny @./b.md z\n", "b.md": "B\n@./c.md", "c.md": "C\n"}
    comments = "<!-- Imported from: {0} -->\n{1}<!-- End of import from: {0} -->"
    inner = "B\n" + comments.format("./c.md", "C\n")
    outer = comments.format("./b.md", inner + "\n")
    assert text_of(files, "GEMINI.md", MARKED) == f"x\n{outer}\ny  z\n"


def test_inline() -> None:
    """In place of the word, each time."""
    rules = Rules(imports=(ImportRules("inline"),))
    assert text_of({"m.md": "a @b.md, @b.md\n", "b.md": "B\n"}, "m.md", rules) == "a B, B\n"


# -- again ------------------------------------------------------------------------------------


def test_a_memory_file_loads_each_file_once() -> None:
    """However often it is imported, directly or by others; the second line goes, and the manifest says so."""
    files = {"m.md": "@a.md\n@b.md\n@a.md\n", "a.md": "A\n", "b.md": "B\n@a.md\n"}
    assert text_of(files, "m.md") == "A\nB\nA\nA\n"
    prompt = MemoryLibrary(files | {"CLAUDE.md": files["m.md"]}).assemble("CLAUDE")
    assert prompt.text == "A\nB\n"
    assert [entry.reason for entry in prompt.manifest] == [
        "included", "included", "included", "deduplicated", "deduplicated",
    ]  # fmt: skip
    assert text_of({"CLAUDE.md": "<include>a.md</include>\n" * 2, "a.md": "A\n"}, "CLAUDE.md") == "A\nA\n"
