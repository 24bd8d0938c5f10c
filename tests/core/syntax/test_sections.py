"""Sections: from a heading to the next of its level, by title or by slug."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from promptd.core.syntax.heading_text import slug
from promptd.core.syntax.sections import Headings
from tests.core.builders import LAW

TEXT = """\
intro
# One
a
## Two *b* `c`!
b
```
## Two in a fence
```
### Deep
c
## Three
d
# One
e

Under
-----
f
"""


def section(text: str, name: str, start: int = 0) -> str | None:
    """The text of one section."""
    span = Headings(text, start).section(name)
    return None if span is None else text[slice(*span)]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("One", "# One\na", "d\n"),
        ("one", "# One\na", "d\n"),
        ("one-1", "# One\ne", "f\n"),
        ("Two *b* `c`!", "## Two", "c\n"),
        ("two-b-c", "## Two", "c\n"),
        ("Deep", "### Deep", "c\n"),
        ("three", "## Three", "d\n"),
        ("under", "Under\n---", "f\n"),
    ],
)
def test_a_section_runs_to_the_next_heading_of_its_level_or_above(name: str, first: str, last: str) -> None:
    """Deeper headings belong to it; a `#` in a fence is none; the first of equal titles is meant."""
    found = section(TEXT, name)
    assert found is not None
    assert found.startswith(first)
    assert found.endswith(last)
    assert len(found) < len(TEXT)


@pytest.mark.parametrize("name", ["", "Four", "two in a fence", "#", "one-2", "intro"])
def test_there_is_no_such_section(name: str) -> None:
    """None, and no guess."""
    assert section(TEXT, name) is None


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_sections_with_any_line_ending_and_front_matter(newline: str) -> None:
    """Spans are code points of the file; the section keeps its own line endings."""
    text = newline.join(["---", "# no", "---", "😀", "## A", "x", "## B", "y"])
    assert section(text, "a", text.index("😀")) == newline.join(["## A", "x", ""])
    assert section(text, "no", text.index("😀")) is None


def test_headings_in_quotes_and_lists_do_not_divide() -> None:
    """A quoted heading is part of the section it is quoted in; indented XML shapes do divide."""
    assert section("# A\n> # B\n\n- # C\n\nx\n# D\n", "a") == "# A\n> # B\n\n- # C\n\nx\n"
    assert section("# A\n> # B\n", "b") is None
    assert section("<x>\n    # A\n  y\n</x>\n", "a") == "    # A\n  y\n</x>\n"


@pytest.mark.parametrize(
    ("title", "anchor"),
    [("Hello, World!", "hello-world"), ("a_b-c  d", "a_b-c--d"), ("Über é", "über-é"), ("C++ & C#", "c--c"),
     ("😀 x", "-x"), ("1. First", "1-first"), ("हिन्दी", "हिन्दी"), ("H₂O ½ ²", "ho--"), ("Ⅷ Ⓐ ٣", "ⅷ-ⓐ-٣"),
     ("a‿b", "a‿b"), ("a\u00a0b", "ab"), ("x — y", "x--y"), ("???", "")],
)  # fmt: skip
def test_slugs_are_those_of_github(title: str, anchor: str) -> None:
    """What Unicode calls alphabetic, marks, digits and joining punctuation stay; each space is a hyphen."""
    assert slug(title) == anchor


def named(titles: list[str], name: str) -> str | None:
    """The title of the section that a name means, of sections that follow each other."""
    found = section("".join(f"## {title}\nx\n" for title in titles), name)
    return None if found is None else found.removeprefix("## ").removesuffix("\nx\n")


@pytest.mark.parametrize(
    ("titles", "name", "expected"),
    [
        (["C", "C++", "C#"], "C#", "C#"),
        (["C", "C++", "C#"], "C++", "C++"),
        (["C", "C++", "C#"], "c", "C"),
        (["C", "C++", "C#"], "c-1", "C++"),
        (["C", "C++", "C#"], "c-2", "C#"),
        (["NET", ".NET"], ".NET", ".NET"),
        (["NET", ".NET"], "net-1", ".NET"),
        (["Setup", "Setup!"], "Setup!", "Setup!"),
        (["Setup", "Setup!"], "setup-1", "Setup!"),
        (["setup", "Setup"], "Setup", "Setup"),
        (["SETUP", "Setup"], "setup", "SETUP"),
        (["Errors", "Errors", "Errors-1"], "errors-1", "Errors"),
        (["Errors", "Errors", "Errors-1"], "Errors-1", "Errors-1"),
        (["Errors", "Errors", "Errors-1"], "errors-1-1", "Errors-1"),
        (["Errors-1", "Errors", "Errors"], "errors-2", "Errors"),
        (["Foo", "Foo", "Foo 1"], "foo-1-1", "Foo 1"),
        (["???", "+++"], "+++", "+++"),
    ],
)
def test_the_exact_title_comes_before_any_anchor(titles: list[str], name: str, expected: str) -> None:
    """Titles that differ in what an anchor drops are told apart; an anchor given once is not given again."""
    assert named(titles, name) == expected


@pytest.mark.parametrize(
    ("titles", "name"),
    [(["NET"], "Net?"), (["???"], "+++"), (["C"], "C#"), (["Setup"], "set up"), (["Two words"], "two words!"),
     (["???"], ""), (["a_b"], "ab"), (["Errors", "Errors"], "errors-2")],
)  # fmt: skip
def test_a_name_that_is_no_title_and_no_anchor_means_nothing(titles: list[str], name: str) -> None:
    """Nothing is made of a name: what its anchor would be does not count."""
    assert named(titles, name) is None


@pytest.mark.parametrize(
    ("title", "seen", "anchor"),
    [
        ("Use [the tool](https://example.org/x_y)", "Use the tool", "use-the-tool"),
        ("_Fast_ path", "Fast path", "fast-path"),
        ("__Strong__ thing", "Strong thing", "strong-thing"),
        ("***Both*** things", "Both things", "both-things"),
        ("snake_case_name", "snake_case_name", "snake_case_name"),
        ("The `run_it` step", "The run_it step", "the-run_it-step"),
        ("`a_b` [link](u_r_l)", "a_b link", "a_b-link"),
        ("See [docs][ref]", "See docs", "see-docs"),
        ("See [docs][]", "See [docs][]", "see-docs"),
        ("See [docs]", "See [docs]", "see-docs"),
        ("See [known]", "See known", "see-known"),
        ("See [x][known]", "See x", "see-x"),
        ("![logo](l.png) Title", "Title", "-title"),
        ("![logo](l.png) Title", "title", "logo-title"),
        ("Press <kbd>Ctrl</kbd>", "Press Ctrl", "press-ctrl"),
        ('<a name="x"></a>Setup', "Setup", "setup"),
        ("Title <!-- note -->", "Title", "title"),
        ("Q&amp;A &copy; x", "Q&A © x", "qa--x"),
        ("At <https://a.b/c_d>", "At https://a.b/c_d", "at-httpsabc_d"),
        (r"Not \_this\_", "Not _this_", "not-_this_"),
        ("~~Old~~ new", "Old new", "old-new"),
        ("Custom {#my-id .x}", "Custom", "my-id"),
        ("Custom {#my-id}", "Custom {#my-id}", "custom-my-id"),
        ("Closed ##", "Closed", "closed"),
        ("⚙️ Gear", "⚙️ Gear", "-gear"),
        (":rocket: Launch", ":rocket: Launch", "rocket-launch"),
    ],
)
def test_a_heading_is_found_by_what_a_reader_sees(title: str, seen: str, anchor: str) -> None:
    """Markup is removed as GitHub does, in the text and in its anchor; underlined headings are no other."""
    wanted = f"## {title}\nx\n"
    text = f"## Other\n{wanted}## Last\n[known]: https://example.org\n"
    for name in (title.removesuffix(" ##"), seen, anchor):
        assert section(text, name) == wanted, name
    if title.startswith("<"):  # where a line begins with a tag no paragraph is seen
        return
    underlined = f"Other\n===\n\n{title.removesuffix(' ##')}\n===\n[known]: u\n"
    assert (section(underlined, anchor) or "").startswith(title.removesuffix(" ##"))


@LAW
@given(st.text(alphabet="#ab \n\r\t`~->=<1.😀", max_size=60), st.sampled_from(["a", "b", "ab", ""]))
def test_a_section_begins_at_a_line_and_lies_inside(text: str, name: str) -> None:
    """For any text: no error, and the span begins and ends at line starts or the end."""
    span = Headings(text).section(name)
    if span is not None:
        assert 0 <= span[0] < span[1] <= len(text)
        assert all(at in (0, len(text)) or text[at - 1] in "\r\n" for at in span)


_REFERENCE = MarkdownIt("commonmark").disable(["html_block", "code", "reference"])
_LINES = st.sampled_from(
    ["# a", "## b ##", "### c #d", "#", "#no", "text", "more `x`", "---", "title\\n===", "- item", "> quote",
     "```\n# fenced\n```", "", "", "***", "1. one", "####### seven", "# `a` *b*", "a: b"]
)  # fmt: skip


@LAW
@given(st.lists(_LINES, max_size=12))
def test_headings_are_those_of_commonmark(lines: list[str]) -> None:
    """Of plain documents without indentation, HTML and lazy lists: level and text of every heading."""
    text = "\n\n".join("\n".join(lines[at : at + 3]) for at in range(0, len(lines), 3)) + "\n"
    tokens = _REFERENCE.parse(text)
    theirs = [
        (int(token.tag[1:]), " ".join(inline.content.split()))
        for token, inline in pairwise(tokens)
        if token.type == "heading_open" and token.level == 0
    ]
    assert Headings(text).titles == theirs


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "# a\n",
        "a\n",
        "a\n=\n",
        "=\n",
        "---\n",
        "- a\n---\n",
        "# *a\n",
        "# [a](b)\n",
        "# " + "![" * 900 + "\n",
        "# a-1\n# a\n",
        "[a]: b\n# [a][b]\n",
        "# ",
        " #",
        "#\t",
        "`",
        "```\n",
        "<a\n",
        "\n",
        " ",
    ],
)
def test_a_long_text_is_outlined_in_linear_time(piece: str) -> None:
    """At most 8 s of processor time; what is quadratic takes many times that."""
    text = piece * (200_000 // len(piece)) + "\n---\n"
    started = time.process_time()
    Headings(text).section("x")
    assert time.process_time() - started < 8.0


def test_its_repr_tells_its_size() -> None:
    """For the log and the debugger."""
    assert repr(Headings(TEXT)) == "<Headings of 6 headings>"
