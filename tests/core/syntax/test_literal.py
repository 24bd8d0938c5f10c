"""What is literal: the cases authors write, agreement with CommonMark, and linear time on hostile text."""

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from promptd.core.syntax.literal import literals
from tests.core.builders import LAW


def literal(text: str) -> list[str]:
    """The literal stretches of a text."""
    return [text[found.start : found.end] for found in literals(text, 0)]


# -- code spans -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a `b` c", ["`b`"]),
        ("a ``b ` c`` d", ["``b ` c``"]),
        ("a `` ` `` b", ["`` ` ``"]),
        ("`a` and `b`", ["`a`", "`b`"]),
        ("a ` b", []),
        ("a `` b ` c", []),
        ("a `b\nc` d", ["`b\nc`"]),
        ("a `b\r\nc` d", ["`b\r\nc`"]),
        ("a `b\n\nc` d", []),
        ("a `b\r\n\r\nc` d", []),
        (r"a \`b` c", []),
        (r"a \``b` c", ["`b`"]),
        (r"a \\`b` c", ["`b`"]),
        (r"a `b\` c", [r"`b\`"]),
        ("😀 `b` 😀", ["`b`"]),
    ],
)
def test_code_spans(text: str, expected: list[str]) -> None:
    """Runs of equal length pair up within a block; a backslash escapes only what opens."""
    assert literal(text) == expected


@pytest.mark.parametrize(
    "between",
    ["\n# b", "\n## b", "\n- b", "\n* b", "\n1. b", "\n2) b", "\n> b", "\n| b |", "\n<b>", "\n---\n",
     "\n===\n",
     "\n***\n", "\n* * *\n", "\n```\n```\n", "\n~~~\n~~~\n", "\n  \t\n"],
)  # fmt: skip
def test_a_code_span_ends_with_its_block(between: str) -> None:
    """Two lone back-ticks in different blocks never pair: what is between stays prose."""
    found = literal(f"a ` a{between} ` c")
    assert not any("a" in stretch for stretch in found), found


@pytest.mark.parametrize("text", ["# a ` b\nc ` d", "| a ` b |\nc ` d", "- x\n- ` b\n- ` c"])
def test_a_heading_and_a_table_row_are_blocks_of_one_line(text: str) -> None:
    """A back-tick in a heading does not pair with one below it."""
    assert literal(text) == []


def test_a_code_span_goes_on_in_the_next_line_of_a_quote() -> None:
    """The `>` of the next line does not end the paragraph inside the quote; a blank quoted line does."""
    assert literal("> a `b\n> c` d") == ["`b\n> c`"]
    assert literal("> a `b\n>\n> c` d") == []


# -- fences -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fence",
    ["```\nx\n```", "~~~\nx\n~~~", "`````md\n```\nx\n```\n`````", "```\nx\n`````", "~~~ `a` ~b\nx\n~~~",
     "    ```\n    x\n    ```", "\t```\n\tx\n\t```", "```\r\nx\r\n```", "```\n<!--\n```", "```", "~~~ x"],
)  # fmt: skip
def test_a_fence_is_literal_from_its_line_to_its_closer(fence: str) -> None:
    """Any length, tildes, indented, with either line ending, closed by one at least as long."""
    assert literal(fence) == [fence]
    assert literal(f"a\n{fence}") == [fence]


@pytest.mark.parametrize("text", ["``` a ` b\nx", "a ``` b\nx", "``\nx\n"])
def test_what_is_no_fence(text: str) -> None:
    """A back-tick in the info string, text before it, or two ticks only."""
    assert not any(found.startswith("```\n") for found in literal(text))
    assert not any(found.kind.startswith("unclosed") for found in literals(text, 0))


def test_a_span_of_three_ticks_in_one_line_is_a_span() -> None:
    """```` ```x``` ```` on one line is a code span and does not swallow the file."""
    assert literal("```x```\ny") == ["```x```"]


@pytest.mark.parametrize("lead", ["- ", "* ", "1. ", "12) ", "> ", "> - ", "- > ", ">   ", "- 1. "])
def test_a_fence_may_open_in_a_list_item_or_quote(lead: str) -> None:
    """The marker belongs to the stretch; the text after the fence does not."""
    indent = re.sub(r"[^>]", " ", lead)
    fence = f"{lead}```\n{indent}x\n{indent}```"
    assert literal(f"{fence}\nafter") == [fence]


# -- comments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <!-- b --> c", ["<!-- b -->"]),
        ("<!--\n\n```\n-->\nb", ["<!--\n\n```\n-->"]),
        ("<!-->b", ["<!-->"]),
        ("<!--->b", ["<!--->"]),
        ("<!-- a -- b --> c", ["<!-- a -- b -->"]),
        ("`<!--` b -->", ["`<!--`"]),
        ("<!-- ` --> ` b", ["<!-- ` -->"]),
        ("a <!-- b", []),
        ("  <!-- b\n\nc", ["<!-- b\n\nc"]),
        ("```\n<!--\n```\n-->", ["```\n<!--\n```"]),
        ("\\<!-- a --> b", ["<!-- a -->"]),
    ],
)
def test_comments(text: str, expected: list[str]) -> None:
    """A comment ends with `-->`; an unclosed one swallows the rest only where it opens a line."""
    assert literal(text) == expected


def test_what_is_never_closed_is_said() -> None:
    """An unclosed fence or comment is reported with its place, so that the author can close it."""
    assert [found.kind for found in literals("a\n```\nb", 0)] == ["unclosed-fence"]
    assert [found.kind for found in literals("<!-- a", 0)] == ["unclosed-comment"]
    kinds = [found.kind for found in literals("```\na\n```\n<!-- b --> `c`", 0)]
    assert kinds == ["fence", "comment", "span"]


# -- agreement with CommonMark ----------------------------------------------------------------

_REFERENCE = MarkdownIt("commonmark").disable(["html_block", "html_inline", "autolink", "code"])
_WORDS = st.sampled_from(["alpha", "b", "`", "``", "```", "`code`", "``a`b``", "\\`", "~~~", "😀", "*", "é"])
_PARAGRAPH = st.lists(_WORDS, min_size=1, max_size=8).map(" ".join).map(lambda line: f"p {line}")
_FENCE = st.builds(
    lambda fence, info, lines: [fence + info, *lines, fence],
    st.sampled_from(["```", "~~~", "````", "~~~~~"]),
    st.sampled_from(["", "md", " python x"]),
    st.lists(st.sampled_from(["x", "", "`y`", "# z", "  ~~ "]), max_size=4),
)
_BLOCK = st.one_of(
    _FENCE,
    st.lists(_PARAGRAPH, min_size=1, max_size=3),
    _FENCE.map(lambda lines: ["- item", *(f"  {line}" for line in lines)]),
    _FENCE.map(lambda lines: [f"> {line}" for line in lines]),
    st.just(["# Heading `a` b"]),
)
_DOCUMENT = st.lists(_BLOCK, max_size=5).map(lambda blocks: "\n\n".join("\n".join(block) for block in blocks))


def _theirs(text: str) -> Iterator[str]:
    for token in _REFERENCE.parse(text):
        if token.type == "fence":
            yield "fence " + "|".join(line.strip(" >-") for line in token.content.splitlines())
        for child in token.children or ():
            if child.type == "code_inline":
                yield "span " + child.content.strip()


def _ours(text: str) -> Iterator[str]:
    for found in literals(text, 0):
        stretch = text[found.start : found.end]
        opens_line = text[: found.start].rpartition("\n")[2] == ""
        if opens_line and re.match(r"[ >-]*(?:```|~~~)", stretch):
            lines = stretch.split("\n")[1:]
            content = lines if found.kind == "unclosed-fence" else lines[:-1]
            yield "fence " + "|".join(line.strip(" >-") for line in content)
        else:
            yield "span " + stretch.strip("`").replace("\n", " ").strip()


@LAW
@given(_DOCUMENT)
def test_plain_documents_read_as_commonmark_reads_them(text: str) -> None:
    """Fences and code spans of documents without HTML and indented code are those of markdown-it-py."""
    assert list(_ours(text)) == list(_theirs(text))


# -- time -------------------------------------------------------------------------------------

SIZE = 1_000_000
HOSTILE = {
    "back-ticks": "`" * SIZE,
    "runs of all lengths": "".join("`" * length + " " for length in range(1, 1400)),
    "alternating runs": "` `` ``` " * (SIZE // 9),
    "escaped ticks": "\\` " * (SIZE // 3),
    "backslashes": "\\" * SIZE + "`",
    "comments": "<!--" * (SIZE // 4),
    "comments inside a line": "x<!-- " * (SIZE // 6),
    "shell fences": "```!\n" * (SIZE // 5),
    "fences in items": "- ```\n" * (SIZE // 6),
    "fences below items": "- a\n  ```x\n" * (SIZE // 11),
    "fences in quotes": "> ```\n\n" * (SIZE // 7),
    "closers too deep": "- ```x\n            ```\n" * (SIZE // 23),
    "long fences in quotes": "> ````\n\n" * (SIZE // 16) + "> ```\n" * (SIZE // 12) + "> ````\n",
    "one fence": "```\n" + "x" * SIZE,
    "ever longer fences": "".join("- " + "`" * length + "x\n" for length in range(1400, 3, -1)),
    "quote marks": "> " * (SIZE // 2),
    "list marks": "- " * (SIZE // 2),
    "spaces": " " * SIZE,
    "newlines": "\n" * SIZE,
    "rules": "\n_ _ _ x" * (SIZE // 8),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_anything_takes_linear_time(name: str) -> None:
    """Every pattern is scanned within 6 s of processor time; what is quadratic takes minutes."""
    started = time.process_time()
    for _ in literals(HOSTILE[name], 0):
        pass
    assert time.process_time() - started < 6.0
