"""What of a text stays in the prompt when the rest is referenced: whole blocks, as they are written.

These are blocks that instruct (paragraphs, items, tables, quotes), everything below a heading or in an
element that instructs, negates or is named after safety or rules, what such a lead-in announces, `keep`
regions, and blocks that take a value. An ordered list stays as a whole or not at all, so that its numbers
have no gaps.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from promptd.core.optimise.instructing import is_instructing
from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.reading import as_read
from promptd.core.optimise.units import is_lead, marker_length, sentences
from promptd.protocol.records import Span

# Titles and names that say rules follow; those that may as well be the subject count only by themselves.
_RULES = (
    r"safe(?:ty|guards?)|guard\W?rails?|constraints?|restrictions?|rules?|prohibit(?:ed|ions?)|forbidden"
    r"|warnings?|cautions?|boundaries"
)
_SUBJECTS = r"security|privacy|compliance|permissions?|limits?|limitations?|polic(?:y|ies)|confidentiality"
_SAFETY = re.compile(
    rf"\b(?:{_RULES})\b|\A\W*(?:{_SUBJECTS})(?:\W+(?:and\W+)?(?:{_SUBJECTS}|notes?|considerations|requirements"
    r"|guidelines|measures|principles|first))*\W*\Z",
    re.IGNORECASE,
)
_HEADING_NEGATES = re.compile(
    r"\b(?:not|never|don['’]?ts?|avoid\w*|anti\W?patterns?|forbid\w*|no\W?gos?)\b|[❌🚫⛔]",  # noqa: RUF001
    re.IGNORECASE,
)
_NEGATES = re.compile(
    r"\b(?:not?|never|avoid\w*|without|except|anti\w*|forbid\w*)\b|n['’]t\b|[❌✗✖🚫⛔]",  # noqa: RUF001
    re.IGNORECASE,
)


def staying(page: Page, held: Sequence[Span] = ()) -> list[Block]:
    """The blocks that stay, in order and disjoint. `held` are spans that may not go, such as values.

    Of a section or element of which only the heading or the tags have to stay there is a block of just that.
    """
    return sorted(_StayReader(page, held).blocks(), key=lambda block: block.start)


class _StayReader:
    def __init__(self, page: Page, held: Sequence[Span]) -> None:
        self.page = page
        self.held = sorted([*held, *((each.start, each.end) for each in page.anchors if each.kind == "keep")])
        self.starts = [start for start, _ in self.held]

    def blocks(self) -> Iterator[Block]:
        stack = [self.page.root]  # depth costs no recursion
        while stack:
            block = stack.pop()
            for child, stays in zip(block.children, self.below(block.children), strict=True):
                if stays:
                    yield child
                elif child.kind in ("section", "element"):
                    stack.append(child)
                    if self.holds(child.start, child.head):
                        yield Block(child.kind, child.start, child.head, child.head, parent=child)

    def below(self, children: Sequence[Block]) -> list[bool]:
        """Which of the children of one container stay."""
        stay = [self.stays(child) for child in children]
        for lead, group in _announced(self.page, children):
            if self.says_to(children[lead]):
                for index in group:
                    stay[index] = True
        ordered = [
            index for index, child in enumerate(children) if child.kind == "item" and _is_ordered(child)
        ]
        if any(stay[index] for index in ordered):
            for index in ordered:
                stay[index] = True
        for lead, group in _announced(self.page, children):
            stay[lead] = stay[lead] or any(stay[index] for index in group)
        return stay

    def stays(self, block: Block) -> bool:
        text = self.page.text
        if block.kind in ("section", "element"):
            head = text[block.start : block.head]
            named = (block.name if block.kind == "element" else head).replace("_", " ")
            return is_instructing(head) or any(each.search(named) for each in (_SAFETY, _HEADING_NEGATES))
        if self.holds(block.start, block.end):
            return True
        if block.kind in ("code", "comment", "rule"):
            return False
        return is_instructing(text[block.start : block.end]) or any(
            is_instructing(as_read(text[start:end])) for start, end in sentences(self.page, *self.own(block))
        )

    def own(self, block: Block) -> Span:
        """A block without the marker of an item, which would hide how its first sentence begins."""
        return block.start + marker_length(self.page, block), block.end

    def says_to(self, lead: Block) -> bool:
        """True for a lead-in that says to, or not to: what it announces is meant by that."""
        written = self.page.text[lead.start : lead.end]
        return is_instructing(written) or _NEGATES.search(written) is not None

    def holds(self, start: int, end: int) -> bool:
        """True if [start, end) touches something that is held."""
        index = bisect_right(self.starts, start) - 1
        is_inside = index >= 0 and self.held[index][1] > start
        return is_inside or bisect_left(self.starts, end) > index + 1


def _announced(page: Page, children: Sequence[Block]) -> Iterator[tuple[int, list[int]]]:
    """Each paragraph that ends in a colon, with the list, or the one block, that it announces."""
    for lead, block in enumerate(children):
        if block.kind != "paragraph" or not is_lead(page.text[block.start : block.end]):
            continue
        group: list[int] = []
        for index in range(lead + 1, len(children)):
            kind = children[index].kind
            if kind in ("section", "element") or (group and kind != "item"):
                break
            if kind == "comment":
                continue
            group.append(index)
            if kind != "item":
                break
        yield lead, group


def _is_ordered(item: Block) -> bool:
    return item.name[:1].isdigit()
