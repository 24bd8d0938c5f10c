"""Lossless passes: comments, trailing space, blank lines, table padding, indentation of markup.

Each leaves the CommonMark tree as it was, apart from white space and comments; the driver holds them to
it (`tree`). Inside code, `<pre>` and keep regions nothing is touched. A hard line break (two spaces at the
end of a line) is meaning: it stays, as two spaces.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from markdown_it.common.html_blocks import block_names

from promptd.core.optimise.edits import Edit
from promptd.core.optimise.page import Anchor, Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.passes.shortened import is_mark
from promptd.core.optimise.passes.xml_layout import indents, xml_layout
from promptd.core.optimise.trees import list_spans
from promptd.protocol.records import Span

_TAG_NAME = re.compile(r"[ \t]{4,}</?(?P<name>[A-Za-z][\w-]*)")
_TRAILING = re.compile(r"(?<=[^\s])[ \t]+(?=\r?\n|\Z)")
_BLANKS = re.compile(r"(?<=\n)(?:[ \t]*\r?\n)+(?:[ \t]+\Z)?|(?<=\n)[ \t]+\Z")
_NEXT_LINE = re.compile(r"\r?\n[ \t]*[^\s]")
_PADDING = re.compile(r"(?<=\|)[ \t]{2,}|(?<![ \t])[ \t]{2,}+(?=\|)")
# A line and one of dashes below it: what makes lines with bars a table, as GitHub's Markdown has it.
_DELIMITER_CELL = r"[ \t]*+:?-++:?[ \t]*+"
_DELIMITER = re.compile(
    rf"[^\n]*+\n[ \t]*+\|?{_DELIMITER_CELL}(?:\|{_DELIMITER_CELL})*+\|?[ \t]*+(?:\r?\n|\Z)"
)
_INDENT = re.compile(r"^[ \t]+(?=\S)", re.MULTILINE)


def comments(page: Page, context: Context) -> Iterator[Edit]:
    """Remove HTML comments: a line that holds nothing else goes whole. Unclosed ones stay."""
    text = page.text
    for anchor in page.anchors:
        if anchor.kind != "comment" or not text.endswith("-->", anchor.start, anchor.end):
            continue
        if not is_mark(text, anchor):
            start, end = _whole_line(text, anchor)
            yield Edit(start, end, kind="comment", reason="comment")


def _whole_line(text: str, anchor: Anchor) -> tuple[int, int]:
    start = text.rfind("\n", 0, anchor.start) + 1
    newline = text.find("\n", anchor.end)
    end = len(text) if newline < 0 else newline + 1
    if text[start : anchor.start].strip() or text[anchor.end : end].strip():
        return anchor.start, anchor.end
    return start, end


def trailing_space(page: Page, context: Context) -> Iterator[Edit]:
    """Remove white space at the ends of lines; two or more spaces before a line of text become two."""
    text = page.text
    for match in outside_code(page, _TRAILING):
        kept = "  " if match[0].endswith("  ") and _NEXT_LINE.match(text, match.end()) else ""
        if kept != match[0]:
            yield Edit(match.start(), match.end(), kept)


def blank_lines(page: Page, context: Context) -> Iterator[Edit]:
    """Make one empty line of one or several blank ones."""
    for match in outside_code(page, _BLANKS):
        newline = "\r\n" if "\r" in match[0] else "\n" if "\n" in match[0] else ""
        if newline != match[0]:
            yield Edit(match.start(), match.end(), newline)


def table_padding(page: Page, context: Context) -> Iterator[Edit]:
    """Make one space of the padding inside table cells."""
    for table in page.root.walk():
        if table.kind != "table" or not _DELIMITER.match(page.text, table.start):
            continue  # a tree, or a picture drawn with bars
        for match in outside_code(page, _PADDING, table.start, table.end):
            line_start = page.text.rfind("\n", 0, match.start()) + 1
            if page.text[line_start : match.start()].strip():
                yield Edit(match.start(), match.end(), " ")


def markup_indent(page: Page, context: Context) -> Iterator[Edit]:
    """Remove the indentation of lines that are tags, which says what the tags say already."""
    lists = list_spans(page.text)
    for start, end in xml_layout(page).tags:
        if not _is_in(start, lists) and not _may_interrupt(page, start):
            yield from _unindent(page, start, end)


def _is_in(position: int, spans: Sequence[Span]) -> bool:
    """True if a position lies in one of sorted, disjoint spans."""
    index = bisect_right(spans, position, key=lambda span: span[0]) - 1
    return index >= 0 and position < spans[index][1]


def _unindent(page: Page, start: int, end: int) -> Iterator[Edit]:
    for match in outside_code(page, _INDENT, start, end):
        yield Edit(match.start(), match.end())


def _may_interrupt(page: Page, start: int) -> bool:
    """True for a line that would end a paragraph if it were not indented (HTML block, kind 6)."""
    match = _TAG_NAME.match(page.text, start)
    return match is not None and match["name"].lower() in block_names


def tag_lines(page: Page, context: Context) -> Iterator[Edit]:
    """Write opening tags that follow one another on one line, and closing tags likewise.

    Not lossless by CommonMark, for which a line of one tag and a line of two are different things.
    """
    tags = {start for start, _ in xml_layout(page).tags}
    for block in page.root.walk():
        inner = block.children
        if block.kind != "element" or not inner or block.start not in tags:
            continue
        if inner[0].kind == "element" and inner[0].start in tags:
            yield from _join(page, block.start, block.head, inner[0].start)
        if inner[-1].kind == "element" and inner[-1].start in tags:
            yield from _join(page, inner[-1].foot, inner[-1].end, block.foot)


def _join(page: Page, start: int, end: int, after: int) -> Iterator[Edit]:
    """Remove the white space between the tag in [start, end) and the one whose line begins at `after`."""
    tag_end = start + len(page.text[start:end].rstrip())
    next_tag = page.text.find("<", after)
    is_next = not page.text[tag_end:next_tag].strip() and not page.is_solid(tag_end, next_tag)
    if tag_end < next_tag and is_next:
        yield Edit(tag_end, next_tag)


def dedent(page: Page, context: Context) -> Iterator[Edit]:
    """Move elements that are laid out as XML to the margin: their tags, and each run of lines between tags.

    The lines of a run move by one width, what they share, so that lists, code, YAML and verse keep their
    shape. A run with a tab in its indentation, or with code in it, stays where it is. Not lossless by
    CommonMark, which reads such lines as code by accident of their indentation.
    """
    found = xml_layout(page)
    for start, end in found.tags:
        yield from _unindent(page, start, end)
    for start, end in found.runs:
        yield from _shift(page, start, end)


def _shift(page: Page, start: int, end: int) -> Iterator[Edit]:
    """Move the lines of a run to the left by the indentation they share."""
    lines = indents(page, start, end)
    width = min((len(match[0]) for match in lines), default=0)
    is_movable = width and not any("\t" in match[0] or page.is_solid(*match.span()) for match in lines)
    if is_movable:
        yield from (Edit(match.start(), match.start() + width) for match in lines)


def outside_code(
    page: Page, pattern: re.Pattern[str], start: int = 0, end: int | None = None
) -> Iterator[re.Match[str]]:
    """Matches that touch no code, comment or keep region."""
    end = len(page.text) if end is None else end
    for match in pattern.finditer(page.text, start, end):
        if not page.is_solid(match.start(), match.end()):
            yield match
