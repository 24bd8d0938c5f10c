"""What is left around a removal: lists stay whole, lead-ins lead to something, no two blocks run together.

The driver asks this of the edits of every pass. A removal that would tear something is withdrawn; one that
would join two lines keeps the line ending between them. White space edits are left alone.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

from promptd.core.optimise.edits import Edit
from promptd.core.optimise.leads import followers
from promptd.core.optimise.page import Block, Page

MAX_TURNS = 8  # seen: 2. What is withdrawn may tear something else; after so many, nothing is removed

_BLANK = re.compile(r"[ \t]*(?:\r?\n|\Z)")
_ENDS_A_BLOCK = re.compile(
    r"[ \t]*(?:#{1,6}[ \t]|<.*>[ \t]*\r?$|(?:[-*_=][ \t]*){3,}\r?$|`{3}|~{3})", re.MULTILINE
)
_BEGINS_A_BLOCK = re.compile(r"[ \t]*(?:#{1,6}[ \t]|</?[A-Za-z!]|[-*+][ \t]|`{3}|~{3})")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]")
_NUMBER = re.compile(r"\d+")


def intact(page: Page, edits: Sequence[Edit]) -> list[Edit]:
    """Those of sorted, disjoint edits that tear nothing, with the line endings that keep blocks apart."""
    removals = [edit for edit in edits if is_removal(edit)]
    if not removals:
        return list(edits)
    kept = _whole(page, removals)
    others = [edit for edit in edits if not is_removal(edit)]
    return sorted([*others, *_apart(page, kept)])


def is_removal(edit: Edit) -> bool:
    """True for an edit that takes out what a reader reads."""
    return edit.kind != "space" and not edit.text and edit.end > edit.start


# -- lists and lead-ins ---------------------------------------------------------------------------


def _whole(page: Page, edits: list[Edit]) -> list[Edit]:
    """Without the edits that would leave a numbered list with a gap or a lead-in without its list."""
    ties = list(_ties(page))
    for _ in range(MAX_TURNS):
        is_gone = _gone(edits)
        torn = {block for tie in ties for block in tie(is_gone)}
        if not torn:
            return edits
        edits = _without(edits, torn)
    return []


Tie = Callable[[Callable[[Block], bool]], list[Block]]  # told what has gone: which blocks must come back


def _ties(page: Page) -> Iterator[Tie]:
    for block in page.root.walk():
        for numbered in _numbered(block, page):
            yield _all_or_none(numbered)
        if led := followers(page, block):
            yield _not_alone(block, led)


def _numbered(parent: Block, page: Page) -> Iterator[list[Block]]:
    """The numbered lists that a block directly holds; one ends where the numbers begin again."""
    found: list[Block] = []
    last = -1
    for child in parent.children:
        if child.kind == "item" and (match := _NUMBER.match(child.name)):
            if int(match[0]) <= last:
                yield found
                found = []
            last = int(match[0])
            found.append(child)
    if found:
        yield found


def _all_or_none(members: list[Block]) -> Tie:
    def torn(is_gone: Callable[[Block], bool]) -> list[Block]:
        gone = [block for block in members if is_gone(block)]
        return gone if len(gone) < len(members) else []

    return torn


def _not_alone(lead: Block, led: list[Block]) -> Tie:
    def torn(is_gone: Callable[[Block], bool]) -> list[Block]:
        gone = [block for block in led if is_gone(block)]
        if is_gone(lead):
            return [lead] if len(gone) < len(led) else []
        return gone if len(gone) == len(led) else []

    return torn


def _gone(edits: Sequence[Edit]) -> Callable[[Block], bool]:
    """A question: does all of a block go? Edits that meet count as one."""
    spans = [(group[0].start, group[-1].end) for group in _meeting(edits)]

    def is_gone(block: Block) -> bool:
        index = bisect_right(spans, block.start, key=lambda span: span[0]) - 1
        return index >= 0 and block.end <= spans[index][1]

    return is_gone


def _without(edits: Sequence[Edit], torn: Iterable[Block]) -> list[Edit]:
    """The edits that touch none of the blocks."""
    starts = [edit.start for edit in edits]
    ends = [edit.end for edit in edits]
    withdrawn: set[int] = set()
    for block in torn:
        withdrawn.update(range(bisect_right(ends, block.start), bisect_left(starts, block.end)))
    return [edit for index, edit in enumerate(edits) if index not in withdrawn]


# -- line endings ---------------------------------------------------------------------------------


def _apart(page: Page, edits: Sequence[Edit]) -> Iterator[Edit]:
    """Cut edits so that a line keeps its ending, an indentation stays, and blocks stay apart."""
    starts = sorted(block.start for block in page.root.walk())
    groups = (part for group in _meeting(edits) for part in _at_line(page.text, group))
    for group in groups:
        end = _before_indent(page.text, group[-1].end)
        start = _start(page.text, group[0].start, end)
        end = _end(page.text, start, end, starts)
        group[0] = group[0]._replace(start=min(start, group[0].end))
        group[-1] = group[-1]._replace(end=max(end, group[-1].start))
        yield from group


def _meeting(edits: Sequence[Edit]) -> Iterator[list[Edit]]:
    """Sorted edits, those that meet together."""
    group: list[Edit] = []
    for edit in edits:
        if group and group[-1].end < edit.start:
            yield group
            group = []
        group.append(edit)
    if group:
        yield group


def _at_line(text: str, group: list[Edit]) -> list[list[Edit]]:
    """In two where one begins a line, if the group begins within a line: something of that one stays."""
    for index, edit in enumerate(group):
        if index and text[edit.start - 1] == "\n":
            is_within = text[text.rfind("\n", 0, group[0].start) + 1 : group[0].start].strip()
            return [group[:index], group[index:]] if is_within else [group]
    return [group]


def _before_indent(text: str, end: int) -> int:
    """The start of the line if there is only its indentation before `end`, else `end`."""
    line_start = text.rfind("\n", 0, end) + 1
    return end if text[line_start:end].strip() else line_start


def _start(text: str, start: int, end: int) -> int:
    """Behind the indentation, if something of the line stays, and before it if nothing does."""
    line_start = text.rfind("\n", 0, start) + 1
    if text[line_start:start].strip():
        return start
    if end == len(text) or text[end - 1] == "\n":
        return line_start
    after = line_start
    while after < end and text[after] in " \t":
        after += 1
    return after if text[end] not in "\r\n" else start


def _end(text: str, start: int, end: int, starts: Sequence[int]) -> int:
    """Before the last line ending, if it is all that keeps two lines apart."""
    if not start or end >= len(text) or text[end - 1] != "\n":
        return end
    line_start = text.rfind("\n", 0, start) + 1
    is_within = line_start < start and text[line_start:start].strip() != ""
    if is_within or (line_start == start and _would_join(text, start, end, starts)):
        return end - 2 if text[end - 2 : end] == "\r\n" else end - 1
    return end


def _would_join(text: str, start: int, end: int, starts: Sequence[int]) -> bool:
    """True if the line before `start` and that at `end` are of two blocks and would be read as one."""
    before = text.rfind("\n", 0, start - 1) + 1
    if _BLANK.match(text, before) or _BLANK.match(text, end):
        return False
    if starts[bisect_right(starts, end) - 1] <= before:
        return False  # the lines of one block
    if _ENDS_A_BLOCK.match(text, before) or _BEGINS_A_BLOCK.match(text, end):
        return False
    return not (_ITEM.match(text, before) and _ITEM.match(text, end))
