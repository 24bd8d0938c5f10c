"""Which lines of a page are laid out as XML: there indentation says only what the tags say already.

What an element directly holds is *tidy* if it is tags alone, or if its tags and its text begin in one column.
Then its tags may move to the margin, and so may each *run*, the lines between two tags, as a whole. Where it
is not, indentation may be the meaning: code with a tag in it, YAML, a tree. There the text stays, and only
tags that stand alone, apart from the text, are looked into. The top of a page is not tidy.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from promptd.core.optimise.page import Block, Page
from promptd.protocol.records import Span

TAB_COLUMNS = 4
_TAGS = ("element", "tag")
_APART = (*_TAGS, "comment")
_INDENT = re.compile(r"^[ \t]*(?=[^ \t\r\n])", re.MULTILINE)


@dataclass(slots=True)
class XmlLayout:
    """The lines that are tags, and the runs of lines between them, of all that is laid out as XML."""

    tags: list[Span] = field(default_factory=list)
    runs: list[Span] = field(default_factory=list)


def xml_layout(page: Page) -> XmlLayout:
    """Look at a page. Linear."""
    found = XmlLayout()
    waiting = list(_alone(page, list(_flat(page.root))))
    while waiting:
        block = waiting.pop()
        found.tags.append((block.start, block.head))
        if block.kind == "element":
            found.tags.append((block.foot, block.end))
            inner = list(_flat(block))
            if _is_tidy(page, inner):
                found.runs.extend(_runs(inner))
                waiting += (child for child in inner if child.kind in _TAGS)
            else:
                waiting += _alone(page, inner)
    return found


def indents(page: Page, start: int, end: int) -> list[re.Match[str]]:
    """The indentation of each line of a stretch that is not blank; empty matches at the margin."""
    return list(_INDENT.finditer(page.text, start, end))


def _flat(container: Block) -> Iterator[Block]:
    """What an element directly holds: sections are looked through, their headings are text."""
    for child in container.children:
        if child.kind == "section":
            yield Block("paragraph", child.start, child.head, child.head)
            yield from _flat(child)
        else:
            yield child


def _runs(inner: Sequence[Block]) -> Iterator[Span]:
    """The stretches between tags, from the first line of text to the last."""
    start = end = -1
    for child in inner:
        if child.kind not in _TAGS:
            start, end = child.start if start < 0 else start, child.end
        elif start >= 0:
            yield start, end
            start = -1
    if start >= 0:
        yield start, end


def _is_tidy(page: Page, inner: Sequence[Block]) -> bool:
    """True if tags and text begin in one column, or if there are none but tags."""
    said = [child for child in inner if child.kind != "comment"]
    starts = {_shallowest(page, *run) for run in _runs(said)}
    if starts:
        starts |= {_column(page, child.start) for child in inner if child.kind in _TAGS}
    return len(starts) <= 1


def _alone(page: Page, inner: Sequence[Block]) -> Iterator[Block]:
    """The tags with a blank line, a tag, a comment or nothing before and after them."""
    for index, child in enumerate(inner):
        if child.kind in _TAGS:
            before = inner[index - 1] if index else None
            after = inner[index + 1] if index + 1 < len(inner) else None
            is_begun = before is None or before.kind in _APART or before.end < child.start
            if is_begun and (after is None or after.kind in _APART or child.end < after.start):
                yield child


def _column(page: Page, start: int) -> int:
    match = _INDENT.match(page.text, start)
    return len(match[0].expandtabs(TAB_COLUMNS)) if match else 0


def _shallowest(page: Page, start: int, end: int) -> int:
    found = (len(match[0].expandtabs(TAB_COLUMNS)) for match in indents(page, start, end))
    return min(found, default=0)
