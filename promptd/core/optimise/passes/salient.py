"""What of the entry component no unit of an included one may outlast: `least_informative` leaves it alone.

Its title, its first paragraph, its elements that say what it is for, and the sentence that each of its
headings leads to.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.units import sentences
from promptd.protocol.records import Span

PURPOSE = frozenset({"purpose", "description", "objective", "goal", "role", "summary"})


def salient(page: Page, entries: Sequence[Sequence[Span]]) -> list[Span]:
    """The salient spans of each entry component, given the stretches of its own text: sorted, disjoint."""
    found: list[Span] = []
    blocks = [block for block in page.root.walk() if block.parent is not None] if entries else []
    for stretches in entries:
        found += _of_entry(page, [block for block in blocks if _is_in(block.start, stretches)])
    return _merged(sorted(found))


def _is_in(position: int, stretches: Sequence[Span]) -> bool:
    index = bisect_right(stretches, position, key=lambda span: span[0]) - 1
    return index >= 0 and position < stretches[index][1]


def _of_entry(page: Page, own: Sequence[Block]) -> Iterator[Span]:
    firsts = [next((block for block in own if block.kind == kind), None) for kind in ("section", "paragraph")]
    yield from ((block.start, block.head) for block in firsts if block is not None)
    mine = set(own)
    for block in own:
        if block.kind in ("element", "tag") and block.name.casefold() in PURPOSE:
            yield block.start, block.end
        elif block.kind == "section" and block.children:
            lead = block.children[0]
            if lead in mine and lead.kind == "paragraph":
                yield next(sentences(page, lead.start, lead.head))


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
