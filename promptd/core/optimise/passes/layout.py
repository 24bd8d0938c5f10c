"""Lossless passes: comments, trailing space, blank lines, table padding, indentation of markup.

Each leaves the CommonMark tree as it was, apart from white space and comments; the driver holds them to
it (`tree`). Inside code, `<pre>` and keep regions nothing is touched. A hard line break (two spaces at the
end of a line) is meaning: it stays, as two spaces.
"""

import re
from collections.abc import Iterator

from markdown_it.common.html_blocks import block_names

from promptd.core.optimise.edits import Edit
from promptd.core.optimise.page import Anchor, Block, Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.passes.shortened import is_mark
from promptd.core.optimise.trees import list_spans

_TAG_NAME = re.compile(r"[ \t]{4,}</?(?P<name>[A-Za-z][\w-]*)")
_TRAILING = re.compile(r"(?<=[^\s])[ \t]+(?=\r?\n|\Z)")
_BLANKS = re.compile(r"(?<=\n)(?:[ \t]*\r?\n)+(?:[ \t]+\Z)?|(?<=\n)[ \t]+\Z")
_NEXT_LINE = re.compile(r"\r?\n[ \t]*[^\s]")
_PADDING = re.compile(r"(?<=\|)[ \t]{2,}|[ \t]{2,}(?=\|)")
_INDENT = re.compile(r"^[ \t]+(?=\S)", re.MULTILINE)
CODE_COLUMNS = 4  # CommonMark: indented so far, a line is code


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
    tables = [block for block in page.root.walk() if block.kind == "table"]
    for table in tables:
        for match in outside_code(page, _PADDING, table.start, table.end):
            line_start = page.text.rfind("\n", 0, match.start()) + 1
            if page.text[line_start : match.start()].strip():
                yield Edit(match.start(), match.end(), " ")


def markup_indent(page: Page, context: Context) -> Iterator[Edit]:
    """Remove the indentation of lines that are tags, which says what the tags say already."""
    lists = list_spans(page.text)
    for start, end in _tag_lines(page):
        is_listed = any(first <= start < last for first, last in lists)
        if not is_listed and not _may_interrupt(page, start):
            yield from _unindent(page, start, end)


def _tag_lines(page: Page) -> Iterator[tuple[int, int]]:
    """Lines that are tags, outside lists."""
    for block in page.root.walk():
        if block.kind not in ("element", "tag") or block.depth:
            continue
        yield block.start, block.head
        if block.kind == "element":
            yield block.foot, block.end


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
    for block in page.root.walk():
        inner = block.children
        if block.kind != "element" or not inner or block.depth:
            continue
        if inner[0].kind == "element":
            yield from _join(page, block.start, block.head, inner[0].start)
        if inner[-1].kind == "element":
            yield from _join(page, inner[-1].foot, inner[-1].end, block.foot)


def _join(page: Page, start: int, end: int, after: int) -> Iterator[Edit]:
    """Remove the white space between the tag in [start, end) and the one whose line begins at `after`."""
    tag_end = start + len(page.text[start:end].rstrip())
    next_tag = page.text.find("<", after)
    is_next = not page.text[tag_end:next_tag].strip() and not page.is_solid(tag_end, next_tag)
    if tag_end < next_tag and is_next:
        yield Edit(tag_end, next_tag)


def dedent(page: Page, context: Context) -> Iterator[Edit]:
    """Remove the indentation that all lines of an element share; lists keep their depth.

    Not lossless by CommonMark, which reads such lines as code by accident of their indentation.
    """
    for block in page.root.walk():
        if block.kind == "element" and not block.depth:
            yield from _dedent_runs(page, block)
        if block.kind == "section" and block.in_element:
            yield from _unindent(page, block.start, block.head)
    for start, end in _tag_lines(page):
        yield from _unindent(page, start, end)


def _dedent_runs(page: Page, element: Block) -> Iterator[Edit]:
    """Each run of neighbouring blocks of one element, sections looked through, is moved to the margin."""
    run: list[Block] = []
    for child in [*_flat(element), Block("root", element.end, element.end, element.end)]:
        if child.kind in ("item", "paragraph", "quote", "table"):
            run.append(child)
            continue
        if child.kind in ("code", "comment", "rule"):
            continue  # stays where it is, and does not part a list in two
        yield from _shift(page, run)
        run = []


def _flat(element: Block) -> Iterator[Block]:
    for child in element.children:
        yield child
        if child.kind == "section":
            yield from _flat(child)


def _shift(page: Page, run: list[Block]) -> Iterator[Edit]:
    """Move neighbouring blocks to the margin. A list so deep that Markdown saw none gets a space a level."""
    lines = [match for block in run for match in _lines_of(page, block)]
    width = min((len(match[0]) for match in lines), default=0)
    if not width or any("\t" in match[0] for match in lines):
        return
    for block in run:
        if block.kind == "item" and width >= CODE_COLUMNS:
            yield from _level(page, block, 0)
        else:
            yield from (Edit(match.start(), match.start() + width) for match in _lines_of(page, block))


def _level(page: Page, item: Block, depth: int) -> Iterator[Edit]:
    """One space of indentation for each level of a list, one more for the lines after the first."""
    for number, match in enumerate(_lines_of(page, item, item.head)):
        yield _indent(match, depth + (number > 0))
    for child in item.children:
        if child.kind == "item":
            yield from _level(page, child, depth + 1)
        elif child.kind in ("paragraph", "quote", "table"):
            yield from (_indent(match, depth + 1) for match in _lines_of(page, child))


def _indent(match: re.Match[str], width: int) -> Edit:
    return Edit(match.start(), match.end(), " " * width)


def _lines_of(page: Page, block: Block, end: int = 0) -> list[re.Match[str]]:
    return list(outside_code(page, _INDENT_OR_NOT, block.start, end or block.end))


_INDENT_OR_NOT = re.compile(r"^[ \t]*(?=[^ \t\r\n])", re.MULTILINE)


def outside_code(
    page: Page, pattern: re.Pattern[str], start: int = 0, end: int | None = None
) -> Iterator[re.Match[str]]:
    """Matches that touch no code, comment or keep region."""
    end = len(page.text) if end is None else end
    for match in pattern.finditer(page.text, start, end):
        if not page.is_solid(match.start(), match.end()):
            yield match
