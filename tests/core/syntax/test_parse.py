"""Parsing one file: never raises, sorted and disjoint directives, bounds, linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.syntax.component import Variable
from promptd.core.syntax.dialects import DIALECTS
from promptd.core.syntax.parse import MAX_DIRECTIVES, parse
from tests.core.builders import DIALECTS as ALL
from tests.core.builders import LAW, directives

PIECES = st.sampled_from(
    ["<include>", "</include>", "<include component='a.md'/>", "a.md", "{{component: a.md}}", "{{",
     "}}", "@a.md",
     "@README", "@", "---\n", "includes: [a.md]\n", "variables:\n  x: y\n", "`", "```", "```\n",
     "~~~\n", "<!--", "-->",
     "\n", "\r\n", "\r", "\t", " ", "    ", "- ", "> ", "| ", "\\", "#", "?", "&", "\ufeff", "😀", "é",
     "\x00", "$1",
     "\ud800", "x"]
)  # fmt: skip
TEXT = st.lists(PIECES, max_size=40).map("".join)


def test_a_file_with_everything() -> None:
    """One parse gives body, metadata, declarations, directives and diagnostics together."""
    text = (
        "---\nname: n\nvariables: {v: {required: true}}\narguments: [x]\n"
        "includes: [b.md]\nhint: [a] [b]\n---\n"
        "<include>c.md</include>\n<include>\n```\n@d.md\n"
    )
    parsed = parse(text, ALL)
    assert text[parsed.body_start :].startswith("<include>c.md")
    assert parsed.metadata["name"] == "n"
    assert parsed.variables == (Variable("v", required=True, line=3),)
    assert parsed.arguments == ("x",)
    assert [(one.target, one.line) for one in parsed.directives] == [("b.md", 5), ("c.md", 8)]
    assert [(problem.kind, problem.line) for problem in parsed.diagnostics] == [
        ("front-matter", 6),
        ("malformed-include", 9),
        ("unclosed-fence", 10),
    ]


def test_only_the_named_dialects_are_asked() -> None:
    """What another dialect would claim stays literal."""
    text = "<include>a</include>\n{{component: b}}\n@./c\n"
    assert [one.target for one in parse(text, ["component"]).directives] == ["b"]
    assert parse(text, []).directives == ()


def test_where_two_claim_the_same_text_the_first_wins() -> None:
    """Directives never overlap: what begins inside of another is part of it."""
    text = "<include> @a.md </include> @b.md"
    assert [(one.dialect, one.target) for one in directives(text)] == [
        ("include", "@a.md"),
        ("at-import", "b.md"),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_line_ending_counts_alike(newline: str) -> None:
    """The same directives on the same lines, with front matter, whatever ends the lines."""
    lines = [
        "---",
        "includes:",
        "  - a.md",
        "---",
        "x",
        "```",
        "@b.md",
        "```",
        "  @c.md",
        "<include>",
        "d.md",
        "</include>",
    ]
    found = directives(newline.join(lines))
    assert [(one.target, one.line, one.is_alone) for one in found] == [
        ("a.md", 3, False),
        ("c.md", 9, True),
        ("d.md", 10, True),
    ]


@LAW
@given(TEXT)
def test_parsing_never_raises_and_directives_are_disjoint(text: str) -> None:
    """For any text: spans sorted, disjoint, in the body; targets named; lines right; prepended first."""
    parsed = parse(text, ALL)
    assert 0 <= parsed.body_start <= len(text)
    written = [one for one in parsed.directives if not one.is_prepended]
    assert list(parsed.directives[len(parsed.directives) - len(written) :]) == written
    end = parsed.body_start
    for one in written:
        assert end <= one.start < one.end <= len(text)
        end = one.end
        assert one.target
        before = text[: one.start].replace("\r\n", "\n").replace("\r", "\n")
        within = text[one.start : one.end].replace("\r\n", "\n").replace("\r", "\n")
        assert before.count("\n") < one.line <= before.count("\n") + within.count("\n") + 1


@LAW
@given(TEXT, st.permutations(ALL))
def test_what_is_found_does_not_depend_on_chance(text: str, dialects: list[str]) -> None:
    """Same text, same parse; the order of the dialects changes no claim on undisputed text."""
    assert parse(text, ALL) == parse(text, ALL)
    assert {one.start for one in parse(text, dialects).directives} == {one.start for one in directives(text)}


def test_a_file_has_at_most_ten_thousand_directives() -> None:
    """The first ones by place count, the rest stay literal, and that is said with the line."""
    many = "@x.md\n" * MAX_DIRECTIVES
    assert len(parse(many, ALL).directives) == MAX_DIRECTIVES
    assert parse(many, ALL).diagnostics == ()
    parsed = parse("<include>a.md</include>\n" + many, ALL)
    assert [one.target for one in parsed.directives[:2]] == ["a.md", "x.md"]
    assert len(parsed.directives) == MAX_DIRECTIVES
    assert [(problem.kind, problem.line) for problem in parsed.diagnostics] == [
        ("too-many-directives", MAX_DIRECTIVES + 1)
    ]


# -- time -------------------------------------------------------------------------------------

SIZE = 1_000_000
HOSTILE = {
    "open includes": "<include" * (SIZE // 8),
    "open includes with blanks": "<include " * (SIZE // 9),
    "include attributes": "<include component=" * (SIZE // 19),
    "includes without end": "<include>" * (SIZE // 9),
    "one include without end": "<include " + "x" * SIZE,
    "includes on one line": "<include>a.md</include>" * (SIZE // 23),
    "includes with wide blanks": f"<include>{' ' * 1000}" * (SIZE // 1009),
    "braces": "{{" * (SIZE // 2),
    "open components": "{{component:" * (SIZE // 12),
    "component with blanks": "{{component:" + " " * SIZE,
    "words": "@a " * (SIZE // 3),
    "paths on one line": "@a.md " * (SIZE // 6),
    "open link texts": "[@a.md " * (SIZE // 7),
    "packages": "npx @a.md " * (SIZE // 10),
    "one line of packages": "npx " + "@a " * (SIZE // 3),
    "one long word": "@" + "a" * SIZE,
    "dots": "@" + "." * SIZE,
    "rules": "---\n" * (SIZE // 4),
    "front matter without end": "---\na: 1\n" + "b: 2\n" * (SIZE // 5),
    "list in front matter": "---\nincludes:\n" + "- a\n" * 9_000 + "---\n",
    "distinct list in front matter": "---\nincludes: ["
    + ", ".join(f"f{n}" for n in range(7_000))
    + "]\n---\n",
    "bad keys": "---\n" + "a: [\n" * 10_000 + "---\n",
    "many variables": "---\nvariables:\n" + "".join(f"  v{n}: x\n" for n in range(5_000)) + "---\n",
    "names in braces": "{{a}} " * (SIZE // 6),
    "distinct names in braces": "".join(f"{{n{n}}} " for n in range(SIZE // 9)),
    "inline defaults": "{{a|b}} " * (SIZE // 8),
    "names in fences": "```\n{a}\n```\n" * (SIZE // 48),
    "components without a colon": "{{component x}} " * (SIZE // 16),
    "open CDATA": "<![CDATA[ " * (SIZE // 10),
    "comments inside a line": "x <!-- " * (SIZE // 7),
    "a key over and over": "---\n" + "includes: [a]\n" * 4_000 + "---\n",
    "a name over and over": "---\nvariables: [" + "a, " * 9_000 + "]\n---\n",
    "mistyped keys": "---\n" + "".join(f"includs{n}: x\n" for n in range(3_500)) + "---\n",
    "a description that runs on": "---\ndescription: a: b\n" + "user: [x\n" * 6_000 + "---\n",
    "quotes": "---\n" + '"' * 60_000 + "\n---\n",
    "blank lines": "---\n" + "\n" * SIZE,
    "carriage returns": "\r" * SIZE + "@a.md",
    "blanks": " " * SIZE + "@a.md" + " " * SIZE,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_anything_parses_in_linear_time(name: str) -> None:
    """Every pattern is parsed within 6 s of processor time; what is quadratic takes minutes."""
    started = time.process_time()
    parse(HOSTILE[name], tuple(DIALECTS))
    assert time.process_time() - started < 6.0
