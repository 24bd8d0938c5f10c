"""Body: line numbers, what is literal, and what stands alone on its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.syntax.literal import lines_unified
from promptd.core.syntax.markdown import Body
from tests.core.builders import LAW

ALPHABET = st.text(alphabet="ab \t\r\n`~<!->*#|\\1.😀\ufeff", max_size=60)


@LAW
@given(ALPHABET)
def test_unifying_lines_keeps_every_offset(text: str) -> None:
    """Lone carriage returns become newlines, one for one; nothing else changes."""
    unified = lines_unified(text)
    assert len(unified) == len(text)
    assert unified.replace("\r\n", "\n") == text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_by_any_line_ending(newline: str) -> None:
    """The third of three lines is line 3, whatever ends the lines."""
    body = Body(newline.join(["one", "two", "three"]))
    assert [body.line_of(body.text.index(word)) for word in ("one", "two", "three")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("X", (0, 1)),
        ("a\nX\nb", (2, 4)),
        ("a\n  X \t\nb", (2, 8)),
        ("a\r\n\tX\r\nb", (3, 7)),
        ("a\rX\rb", (2, 4)),
        ("a\nX", (2, 3)),
        ("a\n\n X\n\nb", (3, 6)),
    ],
)
def test_what_stands_alone_takes_its_whole_line(text: str, span: tuple[int, int]) -> None:
    """The span grows over indentation, trailing blanks and the one line ending."""
    at = text.index("X")
    assert Body(text).widen(at, at + 1) == (*span, True)


@pytest.mark.parametrize("text", ["a X\n", "X a\n", "- X\n", "> X\n", "| X |\n", "\xa0X\n", "😀X"])
def test_what_shares_its_line_keeps_its_span(text: str) -> None:
    """Any other character on the line, a no-break space too, keeps the span as it is."""
    at = text.index("X")
    assert Body(text).widen(at, at + 1) == (at, at + 1, False)


def test_the_line_of_a_body_begins_where_the_body_does() -> None:
    """Neither front matter nor a BOM is part of the first line."""
    assert Body("\ufeffX\n", 1).widen(1, 2) == (1, 3, True)
    assert Body("---X\n", 3).widen(3, 4) == (3, 5, True)


@pytest.mark.parametrize(
    ("start", "end", "is_literal"), [(0, 1, False), (0, 3, True), (2, 3, True), (4, 5, True)]
)
def test_overlapping_a_literal_stretch_is_being_literal(start: int, end: int, is_literal: bool) -> None:
    """Of `a `b` c` the middle is literal, and so is what reaches into it."""
    assert Body("a `b` c").is_literal(start, end) is is_literal
    assert not Body("a `b` c").is_literal(5, 7)


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("x\n```\ny", "unclosed-fence", 2),
        ("x\n~~~ py\ny\n", "unclosed-fence", 2),
        ("x\r\n````\r\n```\r\ny\r\n", "unclosed-fence", 2),
        ("- a\n\n  ```\n  y\n\nz\n", "unclosed-fence", 3),
        ("> ~~~\n> y\n\nz\n", "unclosed-fence", 1),
        ("1. ```\n   y\n2. z\n", "unclosed-fence", 1),
        ("x\n<!-- draft\n", "unclosed-comment", 2),
        ("x\n  <!-- draft\n", "unclosed-comment", 2),
        ("x\ny <!-- draft\n", "unclosed-comment", 2),
        ("<!-- a -->\n- x <!-- draft", "unclosed-comment", 2),
        ("x\n<![CDATA[ y\n", "unclosed-cdata", 2),
        ("<![CDATA[ x ]]>\n<data><![CDATA[ y\n</data>", "unclosed-cdata", 2),
    ],
)
def test_what_is_never_closed_is_said_though_nobody_asked(text: str, kind: str, line: int) -> None:
    """Fences of both characters, also in lists and quotes, comments and CDATA, each with its line."""
    assert [(problem.kind, problem.line) for problem in Body(text).diagnostics()] == [(kind, line)]


@pytest.mark.parametrize(
    "text",
    ["", "x", "```\ny\n```", "~~~\n```\n~~~\n", "<!-- a -->", "`<!--` and `<![CDATA[`", "```\n<!--\n```\n",
     "<![CDATA[ a ]]>", "<!-- <![CDATA[ -->", "x ``` y", "- ```\n  y\n  ```\n"],
)  # fmt: skip
def test_nothing_is_said_of_what_is_closed_or_an_example(text: str) -> None:
    """Openers in code and in comments open nothing."""
    assert Body(text).diagnostics() == []


def test_what_a_place_lies_in() -> None:
    """The kind of code or comment, whether it is closed or not, and nothing for prose."""
    text = "a `b` <!-- c -->\n```\nd\n```\ne\n~~~\nf"
    kinds = {letter: Body(text).kind_at(text.index(letter)) for letter in "abcdef"}
    assert kinds == {"a": "", "b": "span", "c": "comment", "d": "fence", "e": "", "f": "fence"}


def test_a_fence_right_behind_a_bom_is_a_fence() -> None:
    """The BOM is no part of the first line."""
    assert Body("\ufeff```\nx\n```\ny", 1).literal_spans == [(1, 10)]


@LAW
@given(ALPHABET, st.integers(0, 60))
def test_literal_spans_are_sorted_disjoint_and_inside(text: str, start: int) -> None:
    """Whatever the text, the spans lie in the body in order, and `is_literal` says the same of each place."""
    start = min(start, len(text))
    body = Body(text, start)
    spans = body.literal_spans
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(start <= begin < end <= len(text) for begin, end in spans)
    inside = {at for begin, end in spans for at in range(begin, end)}
    assert {at for at in range(start, len(text)) if body.is_literal(at, at + 1)} == inside


def test_its_repr_tells_its_size() -> None:
    """For the log and the debugger."""
    assert repr(Body("abc", 1)) == "<Body of 2 characters from 1>"
