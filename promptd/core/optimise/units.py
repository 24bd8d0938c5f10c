"""Units: what can be removed of a block, what it leads to, and the sentences of a paragraph.

A unit is an item with all below it, a paragraph or one of its sentences, an element or section.
"""

import re
from collections.abc import Iterator

from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.words import words

# Stops that end no word are matched too, and left out: to look at each of a run anew is quadratic.
_END = re.compile(r"[.!?…]++[*_)\"'’”`]*+(?:(?=\s|\Z)|(?P<within>))|\n")  # noqa: RUF001
_NOT_AN_END = re.compile(r"(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf|approx|resp)\.\Z", re.IGNORECASE)
_WRAPPED = 60  # a line at least so long that ends in no stop may go on in the next one
_BARE_TAG = re.compile(r"[ \t]*<[A-Za-z][\w:.-]*>[ \t]*\r?\n?\Z")
_COMMON_INDENT = re.compile(r"^[ \t]*(?=\S)", re.MULTILINE)


def marker_length(page: Page, block: Block) -> int:
    """How much of an item is its indentation and marker."""
    if block.kind != "item":
        return 0
    text = page.text[block.start : block.head]
    return len(text) - len(text.lstrip()) + len(block.name)


def is_bare_tag(text: str) -> bool:
    """True for a line that is an opening tag without attributes."""
    return _BARE_TAG.match(text) is not None


def is_lead(text: str) -> bool:
    """True for what announces something that follows: it ends in a colon."""
    return text.rstrip(" \t\r\n*_").endswith(":")


def led(page: Page, block: Block) -> list[Block]:
    """What a paragraph of one line that ends in a colon leads to: the list after it, or the one block."""
    text = page.text[block.start : block.end]
    if block.kind != "paragraph" or block.parent is None or not is_lead(text) or "\n" in text.strip():
        return []
    siblings = block.parent.children
    found: list[Block] = []
    for place in range(page.place(block) + 1, len(siblings)):
        each = siblings[place]
        if found and each.kind != "item":
            break
        if each.kind != "comment":
            found.append(each)
        if found and each.kind != "item":
            break
    return found


def without_indent(code: str) -> str:
    """Code without the indentation its lines share, so that a component included deeper is the same."""
    first, newline, rest = code.lstrip(" \t").partition("\n")
    indents = [len(match[0]) for match in _COMMON_INDENT.finditer(rest)]
    width = min(indents, default=0)
    return first + newline + "\n".join(line[width:] for line in rest.split("\n"))


def spoken(page: Page) -> Iterator[str]:
    """The words outside comments, each as often as it occurs."""
    position = 0
    for anchor in page.anchors:
        if anchor.kind == "comment":
            yield from words(page.text[position : anchor.start])
            position = anchor.end
    yield from words(page.text[position:])


def sentences(page: Page, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The sentences of a stretch of prose, with the white space after them; none is cut inside an anchor.

    The end of a line ends one too, unless the line looks as if it went on in the next.
    """
    first = cut = start
    for match in _END.finditer(page.text, start, end):
        if match["within"] is not None:
            continue
        cut = cut if match.end() <= cut else _after_space(page.text, match.end(), end)
        if cut > first and _is_end(page.text, first, match, cut) and not page.is_inside_anchor(cut):
            yield first, cut
            first = cut
    if first < end:
        yield first, end


def _after_space(text: str, position: int, end: int) -> int:
    while position < end and text[position].isspace():
        position += 1
    return position


def _is_end(text: str, first: int, match: re.Match[str], cut: int) -> bool:
    """True if what follows begins a new sentence."""
    goes_on = text[cut : cut + 1].islower()
    if match[0] != "\n":
        return not goes_on and not _NOT_AN_END.search(text, max(first, match.end() - 8), match.end())
    line = text[max(text.rfind("\n", 0, match.start()) + 1, first) : match.start()].strip().replace("**", "")
    is_closed = line.endswith((".", "!", "?", ":", ";"))
    return is_closed or (not goes_on and len(line) < _WRAPPED)
