"""How a stretch of a prompt looks when it is referenced: what stays, and where the one line goes.

Whole lines go or stay. What goes takes both halves of every pair of tags with it or neither, and no fence,
comment or `keep` region is ever parted; where that cannot be had, the stretch has no such form. Where lines
that stay would run together, an empty line is put between them.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promptd.core.assembly.writer import ending
from promptd.core.optimise.page import SOLID, Block, Page
from promptd.core.optimise.progressive.staying import staying
from promptd.protocol.records import Span

MAX_FIXES = 64  # tags of a stretch that are kept for their partner outside of it
_BLANK = re.compile(r"(?:[ \t]*\r?\n)+")
_OPENS_ALONE = re.compile(r"[ \t]*(?:#{1,6}[ \t]|<|$)")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]")
_TAG_NAME = re.compile(r"</?([A-Za-z][\w:.-]*)")


@dataclass(frozen=True, slots=True)
class Removal:
    """text[start:end] gives way to `before`, the line if `has_line`, and `after`."""

    start: int
    end: int
    before: str = ""
    after: str = ""
    has_line: bool = False

    def text(self, line: str) -> str:
        """What is written there."""
        return f"{self.before}{line}{self.after}" if self.has_line else self.before


class Forms:
    """The forms of one page. `held` are spans that may not go, such as values."""

    def __init__(self, page: Page, held: Sequence[Span]) -> None:
        self.page = page
        self._staying = staying(page, held)
        self._starts = [block.start for block in self._staying]
        self._partners = dict(_pairs(page))
        self._tags = sorted(self._partners)
        self._heads = sorted(_heads(page), key=lambda found: found[0])
        self._head_starts = [start for start, _, _ in self._heads]

    def __repr__(self) -> str:
        return f"<Forms of {self.page!r}, {len(self._staying)} blocks stay>"

    def of(self, stretches: Sequence[Span]) -> list[Removal] | None:
        """The edits that reference these stretches with one line; None if that cannot be done."""
        if not stretches or not all(self._is_whole(*stretch) for stretch in stretches):
            return None
        kept = [span for block in self._within(stretches) for span in _with_context(block, stretches)]
        for _ in range(MAX_FIXES):
            going = _trimmed(self.page.text, without(stretches, kept))
            torn = self._torn(going)
            if not going:
                return None
            if torn is None:
                return list(self._edits(going))
            start, end, block = torn
            if block is not None and block.kind in ("item", "table"):
                return None
            kept.append((start, end))
        return None

    def _is_whole(self, start: int, end: int) -> bool:
        """True for whole lines that part nothing solid."""
        text = self.page.text
        opens = start == 0 or text[start - 1] == "\n"
        closes = end == len(text) or text[end - 1] == "\n" or text[end] in "\r\n"
        return opens and closes and not (self._parts(start) or self._parts(end))

    def _parts(self, position: int) -> bool:
        found = self.page.anchors_in(position, position + 1)
        return any(each.kind in SOLID and each.start < position < each.end for each in found)

    def _within(self, stretches: Sequence[Span]) -> Iterator[Block]:
        for start, end in stretches:
            first = max(bisect_right(self._starts, start) - 1, 0)
            for block in self._staying[first : bisect_left(self._starts, end)]:
                if block.end > start:
                    yield block

    def _torn(self, going: Sequence[Span]) -> tuple[int, int, Block | None] | None:
        """The lines of a tag that would go without its partner, and the block they begin."""
        for start, end in going:
            for tag in self._tags[bisect_left(self._tags, start) : bisect_left(self._tags, end)]:
                if not _is_in(self._partners[tag], going):
                    return self._lines(tag)
        return None

    def _lines(self, position: int) -> tuple[int, int, Block | None]:
        index = bisect_right(self._head_starts, position) - 1
        if index >= 0 and self._heads[index][1] > position:
            return self._heads[index]
        text = self.page.text
        end = text.find("\n", position) + 1
        return text.rfind("\n", 0, position) + 1, end or len(text), None

    def _edits(self, going: Sequence[Span]) -> Iterator[Removal]:
        """What goes, the line in place of the first of it."""
        text = self.page.text
        for index, (start, end) in enumerate(going):
            above = text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : start].rstrip("\r\n")
            below = text[end : end + 200].partition("\n")[0].rstrip("\r")
            if index == 0:
                newline = ending(text[start:end]) or "\n"
                before = "" if _OPENS_ALONE.match(above) else newline
                after = ending(text[start:end])
                yield Removal(
                    start, end, before, after + ("" if _OPENS_ALONE.match(below) else newline), True
                )
            elif _would_join(above, below):
                yield Removal(start, end, ending(text[start:end]) or "\n")
            else:
                blank = _BLANK.match(text, end) if not above.strip() else None
                yield Removal(start, blank.end() if blank else end)


def _would_join(above: str, below: str) -> bool:
    if _OPENS_ALONE.match(above) or _OPENS_ALONE.match(below):
        return False
    return not (_ITEM.match(above) and _ITEM.match(below))


def _with_context(block: Block, stretches: Sequence[Span]) -> Iterator[Span]:
    """A block that stays, with the headings and tags around it as far as they are in the stretches."""
    yield block.start, block.end
    around = block.parent
    while around is not None and around.kind != "root":
        if around.kind in ("section", "element") and _is_in(around.start, stretches):
            yield around.start, around.head
            if around.foot:
                yield around.foot, around.end
        around = around.parent


def _is_in(position: int, spans: Sequence[Span]) -> bool:
    """True if one of some sorted spans holds a position."""
    index = bisect_right(spans, position, key=lambda span: span[0]) - 1
    return index >= 0 and position < spans[index][1]


def without(stretches: Sequence[Span], kept: Sequence[Span]) -> list[Span]:
    """What of the stretches is left over."""
    left: list[Span] = []
    spans = sorted(kept)
    index = 0
    for start, end in stretches:
        while index < len(spans) and spans[index][0] < end:
            first, last = spans[index]
            if first > start:
                left.append((start, first))
            start = max(start, last)
            if last > end:
                break  # it may reach into the next stretch
            index += 1
        if start < end:
            left.append((start, end))
    return left


def _trimmed(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans without the empty lines at their ends; those of empty lines alone are left out."""
    found = []
    for start, end in spans:
        blank = _BLANK.match(text, start, end)
        start = blank.end() if blank else start
        written = text[start:end].rstrip()
        if written:
            stop = start + len(written)
            line = text.find("\n", stop, end)
            found.append((start, line + 1 if line >= 0 else end))
    return found


def _pairs(page: Page) -> Iterator[Span]:
    """Where each tag that is opened and closed begins, with where its partner does; both ways."""
    open_at: list[tuple[str, int]] = []
    names: dict[str, int] = {}
    for anchor in page.anchors:
        if anchor.kind != "tag":
            continue
        written = page.text[anchor.start : anchor.end]
        match = _TAG_NAME.match(written)
        if match is None or written.endswith("/>"):
            continue
        name = match[1]
        if not written.startswith("</"):
            open_at.append((name, anchor.start))
            names[name] = names.get(name, 0) + 1
        elif names.get(name):
            while True:
                opened, start = open_at.pop()
                names[opened] -= 1
                if opened == name:
                    yield start, anchor.start
                    yield anchor.start, start
                    break


def _heads(page: Page) -> Iterator[tuple[int, int, Block]]:
    """The own lines of every block, and the last line of every element."""
    for block in page.root.walk():
        if block.kind != "root":
            yield block.start, block.head, block
            if block.foot:
                yield block.foot, block.end, block


def stretches_of(spans: Sequence[Span]) -> list[Span]:
    """Spans that follow on one another made one."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], end
        elif start < end:
            joined.append((start, end))
    return joined
