"""Assembling: what stands in place of each directive, line endings, the manifest, bounds."""

import time

import pytest

from promptd.core.assembly.assemble import MAX_ENTRIES
from promptd.core.assembly.skeleton import ImportRules, Rules
from promptd.errors import EncodingError, MissingInclude, PromptTooLarge
from tests.core.builders import MemoryLibrary, text_of

INCLUDES = (
    "<include>b.md</include>",
    '<include component="b.md"/>',
    "{{component: b.md}}",
    "<include>\nb\n</include>",
)
INLINE = Rules(imports=(ImportRules("inline"),))

# -- line endings -----------------------------------------------------------------------------


@pytest.mark.parametrize("written", [*INCLUDES, "@b.md"])
@pytest.mark.parametrize(
    ("before", "included", "after", "expected"),
    [
        ("x\n", "B\n", "\ny\n", "x\nB\ny\n"),
        ("x\n", "B", "\ny\n", "x\nB\ny\n"),
        ("x\n", "B\n\n", "\ny\n", "x\nB\n\ny\n"),
        ("x\n", "", "\ny\n", "x\ny\n"),
        ("x\n", "\n", "\ny\n", "x\n\ny\n"),
        ("x\n    ", "B\n  b", "\t\ny\n", "x\nB\n  b\ny\n"),
        ("x\n", "B", "", "x\nB"),
        ("x\n", "B\n", "", "x\nB\n"),
        ("", "B\n", "", "B\n"),
        ("x\r\n", "B", "\r\ny\r\n", "x\r\nB\r\ny\r\n"),
        ("x\r\n", "B\n", "\r\ny\r\n", "x\r\nB\ny\r\n"),
        ("x\n", "B\r\n", "\ny\n", "x\nB\r\ny\n"),
        ("x\r", "B", "\ry", "x\rB\ry"),
        ("x\n\n", "B\n", "\n\ny\n", "x\n\nB\n\ny\n"),
    ],
)
def test_a_directive_alone_on_its_line_is_replaced_with_its_line(
    written: str, before: str, included: str, after: str, expected: str
) -> None:
    """Indentation, trailing blanks and line ending go; the text's last line is ended if it is open."""
    assert text_of({"a.md": before + written + after, "b.md": included}) == expected


@pytest.mark.parametrize(("written", "rules"), [*((each, Rules()) for each in INCLUDES), ("@b.md", INLINE)])
@pytest.mark.parametrize(
    ("before", "included", "after", "expected"),
    [
        ("x ", "B\n", " y\n", "x B y\n"),
        ("x ", "B", " y\n", "x B y\n"),
        ("- ", "B\nC\n", "\ny\n", "- B\nC\ny\n"),
        ("> ", "B\r\n", "\r\ny", "> B\r\ny"),
        ("| ", "B\n", " |\n", "| B |\n"),
        ("x ", "B\n\n", " y", "x B\n y"),
        ("x ", "", " y", "x  y"),
        ("x ", "\n", " y", "x  y"),
        ("😀 ", "é\n", " 😀", "😀 é 😀"),
    ],
)
def test_a_directive_inside_a_line_is_replaced_in_place(
    written: str, rules: Rules, before: str, included: str, after: str, expected: str
) -> None:
    """The text gives up its last line ending, once, so that the line goes on."""
    assert text_of({"a.md": before + written + after, "b.md": included}, rules=rules) == expected


def test_two_on_one_line() -> None:
    """Each in place, what is between stays."""
    files = {"a.md": "{{component: b.md}} and <include>c.md</include>\n", "b.md": "B\n", "c.md": "C\n"}
    assert text_of(files) == "B and C\n"


def test_nothing_is_added_below_a_text_that_ended_its_line() -> None:
    """A component that ends with an include of nothing ends its own line once."""
    files = {
        "a.md": "@b.md\nz\n",
        "b.md": "x\n<include>c.md</include>{{component: d.md}}",
        "c.md": "",
        "d.md": "\n",
    }
    assert text_of(files) == "x\nz\n"
    assert text_of(files | {"b.md": "x\n\n@c.md\n"}) == "x\n\nz\n"


def test_front_matter_and_bom_of_an_included_file_are_stripped() -> None:
    """And those of the requested one, which are returned as metadata."""
    front = "\ufeff---\r\nname: x\r\n---\r\n"
    assert text_of({"a.md": f"{front}A\n@b.md\n", "b.md": f"{front}B\n"}) == "A\nB\n"
    assert text_of({"a.md": "A\n@b.md\n", "b.md": "\ufeffB\n"}) == "A\nB\n"
    assert text_of({"a.md": "A\n@b.md\n", "b.md": "---\nbad: [\n---\nB\n"}) == "A\nB\n"


def test_front_matter_includes_stand_before_the_body_in_order() -> None:
    """Each ends its line, in the line ending of the including file; a required one puts in nothing."""
    front = "---\nincludes: [b.md, c.md]\ncomponents: [d.md, gone.md]\nrequires: [e.md]\n---\n"
    files = {"a.md": front + "A\n", "b.md": "B", "c.md": "C\n", "d.md": "", "e.md": "E\n"}
    prompt = MemoryLibrary(files).assemble("a")
    assert prompt.text == "B\nC\nA\n"
    assert prompt.reasons[-1] == ("gone.md", "missing")
    assert text_of(files | {"a.md": front.replace("\n", "\r\n") + "A"}) == "B\r\nC\nA"


def test_several_requested_components_follow_one_another() -> None:
    """In the order asked for, an open last line ended in between."""
    library = MemoryLibrary({"a.md": "A", "b.md": "B\n"})
    assert library.assemble("a", "b", "a").text == "A\nB\nA"
    assert library.assemble("a", "b").reasons == [("a.md", "included"), ("b.md", "included")]


# -- what is not there ------------------------------------------------------------------------

MISSING = {
    "a.md": "x\n  @b.md\ny\n",
    "b.md": "p\n\n<include>gone.md</include>\nq <include>gone</include> r\n",
}


def test_missing_is_removed_and_said_with_file_line_and_chain() -> None:
    """The default: the whole line, or the directive in its line, goes; manifest and warnings say so."""
    prompt = MemoryLibrary(MISSING).assemble("a")
    assert prompt.text == "x\np\n\nq  r\ny\n"
    assert prompt.reasons[2:] == [("gone.md", "missing"), ("gone", "missing")]
    first = prompt.warnings[0]
    assert (first.kind, first.id, first.line, first.target) == ("missing", "b.md", 3, "gone.md")
    assert first.chain == ("a.md:2", "b.md:3")
    assert "does not exist" in first.message
    assert prompt.manifest[2].span == (5, 5)


def test_missing_can_be_an_error() -> None:
    """The first one, with file, line, target and chain."""
    with pytest.raises(MissingInclude, match=r"b\.md:3: 'gone\.md' does not exist") as raised:
        MemoryLibrary(MISSING).assemble("a", rules=Rules(missing="error"))
    assert raised.value.details["chain"] == ["a.md:2", "b.md:3"]
    assert raised.value.details["line"] == 3


def test_missing_can_be_kept() -> None:
    """The written text stands, and it is said all the same."""
    prompt = MemoryLibrary(MISSING).assemble("a", rules=Rules(missing="keep"))
    assert prompt.text == "x\n" + MISSING["b.md"] + "y\n"
    assert prompt.kinds == ["missing", "missing"]
    assert prompt.piece("gone.md") == "<include>gone.md</include>\n"


@pytest.mark.parametrize("missing", ["warn", "error", "keep"])
@pytest.mark.parametrize(
    "written", ['<include optional="true">gone.md</include>', "<include>?gone.md</include>", "@?gone.md"]
)
def test_optional_and_missing_is_no_warning(missing: str, written: str) -> None:
    """The line goes; only the manifest says so, whatever the rule for missing ones."""
    prompt = MemoryLibrary({"a.md": f"x\n{written}\ny\n"}).assemble("a", rules=Rules(missing=missing))  # type: ignore[arg-type]
    assert prompt.text == "x\ny\n"
    assert prompt.warnings == ()
    assert prompt.reasons == [("a.md", "included"), ("gone.md", "optional")]


def test_optional_and_there_is_included() -> None:
    """`?` changes nothing where the file exists."""
    assert text_of({"a.md": "@?b.md\n", "b.md": "B\n"}) == "B\n"


def test_a_file_that_cannot_be_used_costs_only_itself() -> None:
    """Its place is empty, the rest stands, and the warning gives its error."""
    broken = EncodingError("b.md is not UTF-8", id="b.md")
    library = MemoryLibrary({"a.md": "x\n<include>b.md</include>\ny\n", "b.md": broken})
    prompt = library.assemble("a")
    assert prompt.text == "x\ny\n"
    assert prompt.reasons[1:] == [("b.md", "error")]
    assert [(warning.kind, warning.line) for warning in prompt.warnings] == [("error", 2)]
    assert "not UTF-8" in prompt.warnings[0].message


def test_what_is_wrong_in_a_file_reaches_the_prompt() -> None:
    """An unclosed fence hides the directives in it: said once, with the chain. Odd YAML costs nothing."""
    library = MemoryLibrary(
        {"a.md": "@b.md\n@b.md\n", "b.md": "---\nhint: [a] [b]\n---\n```\n@c.md\n", "c.md": "C"}
    )
    prompt = library.assemble("a")
    assert prompt.kinds == ["unclosed-fence"]
    assert (prompt.warnings[0].id, prompt.warnings[0].line, prompt.warnings[0].chain) == (
        "b.md",
        4,
        ("a.md:1",),
    )
    assert MemoryLibrary({"a.md": "---\n- x\n---\n"}).assemble("a").kinds == ["front-matter-lost"]


# -- sections ---------------------------------------------------------------------------------

SECTIONS = "intro\n# One\na\n<include>c.md</include>\n## Sub\nb\n# Two\n@d.md\n"


@pytest.mark.parametrize(
    ("target", "expected"),
    [("b.md#One", "# One\na\nC\n## Sub\nb\n"), ("b.md#sub", "## Sub\nb\n"), ("b.md#two", "# Two\nD\n")],
)
def test_one_section_is_included(target: str, expected: str) -> None:
    """With the directives in it and not those outside; front matter includes are not part of it."""
    files = {"a.md": f"x\n<include>{target}</include>\ny\n", "b.md": SECTIONS, "c.md": "C", "d.md": "D"}
    assert text_of(files) == f"x\n{expected}y\n"
    assert text_of(files | {"b.md": f"---\nincludes: [d.md]\n---\n{SECTIONS}"}) == f"x\n{expected}y\n"


def test_a_section_that_does_not_exist_is_missing() -> None:
    """As a missing file: removed and said, an error, kept, or silent where it is optional."""
    written = "<include>b.md#gone</include>"
    library = MemoryLibrary({"a.md": f"x\n{written}\ny\n", "b.md": SECTIONS})
    prompt = library.assemble("a")
    assert prompt.text == "x\ny\n"
    assert prompt.reasons[1:] == [("b.md", "no-section")]
    assert "b.md has no section 'gone'" in prompt.warnings[0].message
    with pytest.raises(MissingInclude, match="no section"):
        library.assemble("a", rules=Rules(missing="error"))
    assert library.assemble("a", rules=Rules(missing="keep")).text == f"x\n{written}\ny\n"
    optional = MemoryLibrary({"a.md": "x\n@?b.md#gone\ny\n", "b.md": SECTIONS}).assemble("a")
    assert (optional.text, optional.warnings) == ("x\ny\n", ())


# -- references -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written", ["@&b.md", '<include mode="reference">b.md</include>', "{{component: &b.md}}"]
)
def test_a_reference_is_one_line_that_says_how_to_fetch(written: str) -> None:
    """Description, tokens of the body, id and digest; nothing of what it includes, and no warning."""
    library = MemoryLibrary(
        {"a.md": f"x\n{written}\ny\n", "b.md": "---\ndescription: A\n  b\n---\nBody\n@gone.md\n"}
    )
    prompt = library.assemble("a")
    (digest,) = (entry.digest[:12] for entry in prompt.manifest if entry.id == "b.md")
    line = f'[reference: "A b" 14 tokens; fetch: `promptd get b.md --digest {digest}`]'
    assert prompt.text == f"x\n{line}\ny\n"
    assert prompt.reasons == [("a.md", "included"), ("b.md", "referenced")]
    assert prompt.warnings == ()


def test_a_component_may_ask_to_be_referred_to() -> None:
    """`mode: reference` in its front matter; requested by name it is itself."""
    library = MemoryLibrary({"a.md": "x @b.md y\n", "b.md": "---\nmode: reference\n---\nB\n"})
    assert library.assemble("a").text.startswith("x [reference: 2 tokens; fetch: `promptd get b.md --digest ")
    assert library.assemble("a").text.endswith("`] y\n")
    assert library.assemble("b").text == "B\n"


# -- again and again --------------------------------------------------------------------------

DIAMOND = {"a.md": "@b.md\n@c.md\n", "b.md": "@d.md\n", "c.md": "@d.md\n", "d.md": "D\n"}


def test_a_diamond_is_included_each_time() -> None:
    """Both ways, with a manifest entry for each."""
    prompt = MemoryLibrary(DIAMOND).assemble("a")
    assert prompt.text == "D\nD\n"
    assert [entry.chain for entry in prompt.manifest if entry.id == "d.md"] == [
        ("a.md:1", "b.md:1"), ("a.md:2", "c.md:1"),
    ]  # fmt: skip


@pytest.mark.parametrize("once", ["once: true", "once: yes"])
def test_once_in_front_matter_or_for_the_whole_library(once: str) -> None:
    """The second time the line goes, and the manifest says so; that is no warning."""
    for prompt in (
        MemoryLibrary(DIAMOND).assemble("a", rules=Rules(once=True)),
        MemoryLibrary(DIAMOND | {"d.md": f"---\n{once}\n---\nD\n"}).assemble("a"),
    ):
        assert prompt.text == "D\n"
        assert prompt.reasons[-1] == ("d.md", "deduplicated")
        assert prompt.warnings == ()


def test_once_counts_sections_apart() -> None:
    """Two sections of one file are not the same text; a section after the whole file is."""
    files = {"a.md": "@b.md#x\n@b.md#y\n@b.md#x\n", "b.md": "# X\n# Y\n"}
    assert text_of(files, rules=Rules(once=True)) == "# X\n# Y\n"
    assert text_of(files | {"a.md": "@b.md\n@b.md#x\n"}, rules=Rules(once=True)) == "# X\n# Y\n"


# -- depth and size ---------------------------------------------------------------------------


def chain_of(levels: int, written: str) -> MemoryLibrary:
    """f0.md includes f1.md and so on, `levels` includes deep."""
    files = {f"f{n}.md": f"{n}\n{written.format(n + 1)}\n" for n in range(levels)}
    return MemoryLibrary(files | {f"f{levels}.md": "end\n"})


@pytest.mark.parametrize(("depth", "last"), [(64, "end"), (65, "64")])
def test_the_depth_of_includes_is_bounded(depth: int, last: str) -> None:
    """64 levels by default; what is deeper is left out with a warning and the chain."""
    prompt = chain_of(depth, "<include>f{}.md</include>").assemble("f0")
    assert prompt.text.splitlines()[-1] == last
    assert prompt.kinds == ["too-deep"][: depth > 64]
    if prompt.warnings:
        assert prompt.warnings[0].chain == tuple(f"f{n}.md:2" for n in range(65))
        assert "deeper than 64 levels" in prompt.warnings[0].message


def test_depth_costs_no_recursion() -> None:
    """The largest depth that can be configured, 500, and more."""
    prompt = chain_of(2000, "<include>f{}.md</include>").assemble("f0", rules=Rules(max_depth=2000))
    assert prompt.text.endswith("1999\nend\n")


@pytest.mark.parametrize(("hops", "last"), [(4, "end"), (5, "@f5.md")])
def test_at_imports_go_four_hops_as_in_claude_code(hops: int, last: str) -> None:
    """The fifth stays as written, with a warning."""
    prompt = chain_of(hops, "@f{}.md").assemble("f0")
    assert prompt.text.splitlines()[-1] == last
    assert ["4 at-import hops" in warning.message for warning in prompt.warnings] == [True][: hops > 4]


def test_only_at_imports_count_as_hops() -> None:
    """Other dialects between them do not."""
    files = {
        f"f{n}.md": f"@f{n + 1}.md\n" if n % 2 else f"{{{{component: f{n + 1}.md}}}}\n" for n in range(8)
    }
    assert text_of(files | {"f8.md": "end\n"}, "f0.md") == "end\n"


def test_a_tower_of_diamonds_is_bounded() -> None:
    """2^64 pieces are refused after the first 20,000, in a second."""
    tower = {f"f{n}.md": f"<include>f{n + 1}.md</include>\n" * 2 for n in range(60)}
    started = time.process_time()
    with pytest.raises(PromptTooLarge, match=f"more than {MAX_ENTRIES} pieces"):
        MemoryLibrary(tower | {"f60.md": "x\n"}).assemble("f0")
    assert time.process_time() - started < 8.0


def test_the_size_of_a_prompt_is_bounded() -> None:
    """In characters, as it is put together, so that nothing much larger is ever held."""
    library = MemoryLibrary({"a.md": "@b.md\n" * 9, "b.md": "x" * 9 + "\n"})
    assert len(library.assemble("a", rules=Rules(max_chars=90)).text) == 90
    with pytest.raises(PromptTooLarge, match="more than 89 characters"):
        library.assemble("a", rules=Rules(max_chars=89))


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["<include>b.md</include>\n", "x <include>b.md</include> ", "@gone.md ", "{a} $1 "]
)
def test_a_megabyte_is_assembled_in_linear_time(line: str) -> None:
    """Ten seconds of processor time at most, parsing and linking included; of mere placeholders a tenth."""
    size = 100_000 if "{" in line else 1_000_000
    started = time.process_time()
    MemoryLibrary({"a.md": line * (size // len(line)), "b.md": "B\n"}).assemble("a")
    assert time.process_time() - started < 10.0
