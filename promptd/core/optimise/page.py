"""The records of a text that was read: its literals, its tree of blocks, and the page that holds both.

Literals are what no pass may touch: code, URLs, paths, numbers, placeholders, quoted strings, tags and keep
regions. Blocks are its elements, sections, lists and paragraphs. Records and look-ups only: `anchors` finds
the one, `blocks` the other.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

AnchorKind = Literal["code", "url", "path", "number", "placeholder", "quote", "tag", "comment", "keep"]


class Anchor(NamedTuple):
    """One protected place: code-point offsets."""

    start: int
    end: int
    kind: AnchorKind


BlockKind = Literal[
    "root", "element", "section", "item", "paragraph", "code", "table", "quote", "rule", "tag", "comment"
]

SOLID = frozenset({"code", "comment", "keep"})


@dataclass(slots=True, eq=False)
class Block:
    """One block: the span of its whole lines, that of its first own line or lines (`head`), its children.

    `level` is the level of a heading, the indentation in columns of an item. `foot` is where the closing
    tag's line of an element begins.
    """

    kind: BlockKind
    start: int
    end: int
    head: int  # end of the heading, the opening tag or an item's own text
    level: int = 0
    foot: int = 0
    name: str = ""
    parent: "Block | None" = None
    depth: int = 0  # how many items it is below
    in_element: bool = False  # below an element
    children: list["Block"] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.start}:{self.end} {len(self.children)} children>"

    def walk(self) -> Iterator["Block"]:
        """This block and all below it, in document order."""
        stack = [self]
        while stack:
            block = stack.pop()
            yield block
            stack.extend(reversed(block.children))

    def adopt(self, child: "Block") -> "Block":
        """Take a block in as the last child."""
        child.parent = self
        child.depth = self.depth + (self.kind == "item")
        child.in_element = self.in_element or self.kind == "element"
        self.children.append(child)
        return child


@dataclass(frozen=True, slots=True)
class Page:
    """A text, its anchors and its tree of blocks."""

    text: str
    anchors: Sequence[Anchor]
    root: Block

    places: dict[Block, int] = field(default_factory=dict)
    _kept: list[Anchor] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self._kept.extend(anchor for anchor in self.anchors if anchor.kind == "keep")

    def __repr__(self) -> str:
        return f"<Page {len(self.text)} characters, {len(self.anchors)} anchors>"

    def place(self, block: Block) -> int:
        """Which child of its container a block is."""
        if not self.places:
            for parent in self.root.walk():
                self.places.update((child, index) for index, child in enumerate(parent.children))
        return self.places.get(block, 0)

    def anchors_in(self, start: int, end: int) -> Sequence[Anchor]:
        """The anchors that touch [start, end)."""
        first = bisect_right(self.anchors, start, key=lambda anchor: anchor.end)
        last = bisect_left(self.anchors, end, key=lambda anchor: anchor.start)
        return self.anchors[first:last]

    def is_solid(self, start: int, end: int) -> bool:
        """True if [start, end) touches code, a comment or a keep region."""
        return any(anchor.kind in SOLID for anchor in self.anchors_in(start, end))

    def is_removable(self, start: int, end: int) -> bool:
        """True unless [start, end) touches a keep region."""
        at = bisect_right(self._kept, start, key=lambda anchor: anchor.end)
        return at == len(self._kept) or self._kept[at].start >= end

    def is_free(self, start: int, end: int) -> bool:
        """True if [start, end) touches no anchor at all."""
        return not self.anchors_in(start, end)

    def is_inside_anchor(self, position: int) -> bool:
        """True if a cut at a position would part an anchor."""
        return any(anchor.start < position for anchor in self.anchors_in(position, position + 1))
