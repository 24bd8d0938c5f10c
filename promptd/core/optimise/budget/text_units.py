"""The units of a component's own text that a cut may leave out, and what each of them hangs on.

Units are sentences, items, rows of tables, lines of quotations, and code as a whole; together they are the
text. A unit hangs on its heading, tags, lead-in, the head of its table and the item it is part of, on what
stands before it in its paragraph, and on the items before it in a numbered list.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from promptd.core.optimise.blocks import read
from promptd.core.optimise.instructing import is_instructing
from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.units import led, marker_length, sentences
from promptd.core.optimise.words import words
from promptd.protocol.records import Span

INSTRUCTING, LITERAL, PLACE = 3.0, 2.0, 4.0  # how much more the information of such a unit counts
LABEL_WORDS = 3
_HEADS = ("section", "element")
_NUMBERED = re.compile(r"\d")
_RULER = re.compile(r"[ \t:|-]++\s*+\Z")
_PRIVATE = re.compile("[\ue000-\uf8ff]")  # marks of included components: no text


@dataclass(slots=True, eq=False)
class TextUnit:
    """One unit: its spans with the white space after them (an element has two), and what it hangs on."""

    spans: list[Span]
    block: Block
    words: frozenset[str]
    tokens: int
    weight: float = 1.0
    information: float = 0.0  # of its words, in nats
    must_stay: bool = False
    is_head: bool = False  # says nothing on its own
    above: "list[TextUnit]" = field(default_factory=list)
    below: "list[TextUnit]" = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<TextUnit {self.block.kind} {self.spans}>"

    def holds(self, position: int) -> bool:
        """True if a place of the text is in it."""
        return any(start <= position < end for start, end in self.spans)


def text_units(text: str, slots: Sequence[int], count: Callable[[str], int]) -> list[TextUnit]:
    """All units of a text, in its order. `slots` are the places where values go in, sorted."""
    return _Units(read(text), slots, count).find()


class _Units:
    """All units of a page: together they are the text."""

    def __init__(self, page: Page, slots: Sequence[int], count: Callable[[str], int]) -> None:
        self.page, self.slots, self.count = page, slots, count
        self.first: dict[Block, TextUnit] = {}
        self.units: list[TextUnit] = []

    def find(self) -> list[TextUnit]:
        """The units in the order of the text."""
        spans: list[tuple[int, int, Block, str]] = []
        for block in self.page.root.walk():
            spans += self._spans(block)
        if not spans:
            return []
        spans.sort(key=lambda item: item[:2])
        starts = [start for start, _, _, _ in spans]
        foots: list[tuple[Span, Block]] = []
        for (_, _, block, kind), start, end in zip(
            spans, (0, *starts[1:]), (*starts[1:], len(self.page.text)), strict=True
        ):
            if kind == "foot":
                foots.append(((start, end), block))
            else:
                self._add(block, (start, end), is_head=kind == "head")
        for span, block in foots:
            unit = self.first[block]
            unit.spans.append(span)
            unit.tokens += self.count(self.page.text[slice(*span)])
        self._tie()
        return self.units

    def _spans(self, block: Block) -> Iterator[tuple[int, int, Block, str]]:
        if block.kind in _HEADS:
            yield block.start, block.head, block, "head"
            if block.kind == "element":
                yield block.foot, block.end, block, "foot"
        elif block.kind == "paragraph" and led(self.page, block):
            yield block.start, block.end, block, "head"
        elif block.kind in ("paragraph", "item"):
            for start, end in self._sentences(block):
                yield start, end, block, "text"
        elif block.kind == "table":
            yield from self._rows(block)
        elif block.kind == "quote":
            for start, end in _lines(self.page.text, block):
                yield start, end, block, "text"
        elif block.kind != "root":
            yield block.start, block.head, block, "head" if block.kind in ("rule", "comment") else "text"

    def _sentences(self, block: Block) -> Iterator[Span]:
        """The stop of `1.` ends no sentence; a label like `**Purpose.**` belongs to what follows it."""
        first = block.start + marker_length(self.page, block)
        start = block.start
        for _, end in sentences(self.page, first, block.head):
            is_label = start == block.start and len(words(self.page.text[start:end])) <= LABEL_WORDS
            if not is_label or end == block.head:
                yield start, end
                start = end

    def _rows(self, block: Block) -> Iterator[tuple[int, int, Block, str]]:
        """The first two lines are the head of a table: names and a ruler."""
        lines = list(_lines(self.page.text, block))
        is_table = len(lines) > 2 and _RULER.match(self.page.text, *lines[1]) is not None
        if not is_table:
            yield block.start, block.end, block, "text"
            return
        yield lines[0][0], lines[1][1], block, "head"
        for start, end in lines[2:]:
            yield start, end, block, "text"

    def _add(self, block: Block, span: Span, *, is_head: bool) -> None:
        text = _PRIVATE.sub("", self.page.text[slice(*span)])
        anchors = self.page.anchors_in(*span)
        tokens = self.count(text) if text.strip() else 0
        unit = TextUnit([span], block, frozenset(words(text)), tokens, is_head=is_head or not tokens)
        unit.weight = INSTRUCTING if is_instructing(text) else LITERAL if anchors else 1.0
        if self._has_place(span):
            unit.weight = PLACE
        unit.must_stay = any(each.kind == "keep" for each in anchors)
        before = self.first.setdefault(block, unit)
        if before is not unit:
            is_chain = block.kind != "table" and self.units[-1].block is block
            unit.above.append(self.units[-1] if is_chain else before)
        self.units.append(unit)

    def _has_place(self, span: Span) -> bool:
        """True if a value goes in here."""
        index = bisect_left(self.slots, span[0])
        return index < len(self.slots) and self.slots[index] < span[1]

    def _tie(self) -> None:
        """Note what each unit hangs on."""
        for block, unit in self.first.items():
            for follower in led(self.page, block):
                if follower in self.first:
                    self.first[follower].above.append(unit)
            if block.parent in self.first:
                self.first[block].above.append(self.first[block.parent])
            before = _numbered_before(block, self.page)
            if before in self.first:
                unit.above.append(self.first[before])
        for unit in self.units:
            for each in unit.above:
                each.below.append(unit)


def _lines(text: str, block: Block) -> Iterator[Span]:
    position = block.start
    while position < block.end:
        end = text.find("\n", position, block.end) + 1 or block.end
        yield position, end
        position = end


def _numbered_before(block: Block, page: Page) -> Block | None:
    """The item before one in a numbered list."""
    if block.kind != "item" or block.parent is None or not _NUMBERED.match(block.name):
        return None
    place = page.place(block)
    before = block.parent.children[place - 1] if place else None
    return before if before is not None and before.kind == "item" else None


def has_text(text: str) -> bool:
    """True if a text says anything beside titles, tags and comments."""
    page = read(text)
    for block in page.root.walk():
        if block.kind == "tag":
            if re.sub(r"<[^<>]*>", "", page.text[block.start : block.head]).strip():
                return True
        elif block.kind not in ("root", "section", "element", "comment", "rule"):
            return True
    return False
