"""A component's own text as one string: a mark stands in the place of each child, and it is cut there again.

A mark consists of characters for private use and the line ending of what it stands for, so that the text
reads as lines like any other. Marks and slots are held: no pass changes them.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from promptd.core.optimise.budget.ledger import Ledger
from promptd.core.optimise.budget.tree import Content, Node, Part, text_of
from promptd.core.syntax.slots import Slot
from promptd.protocol.records import Span

Chunks = tuple[tuple[Content, ...], ...]

_PRIVATE, _PRIVATE_COUNT = 0xE000, 6_400  # Unicode's private use area: no words, no white space, no markup


class Mark(str):
    """The text that stands for a child, its line ending included."""

    __slots__ = ()


class OwnText:
    """The own text of one piece."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._parts = list(_with_marks(node))
        self.text, offsets = text_of([content for content, _ in self._parts])
        spans = pairwise(offsets)
        self.held: list[tuple[Span, Content]] = [
            (span, content)
            for span, (content, _) in zip(spans, self._parts, strict=True)
            if isinstance(content, Slot | Mark)
        ]

    def __repr__(self) -> str:
        return f"<OwnText of {self.node!r}, {len(self.text)} characters>"

    @cached_property
    def ledger(self) -> Ledger:
        """Where in the file each character is."""
        return Ledger.of(Node(self.node.draft, [self._parts]))

    def __iter__(self) -> Iterator[Content]:
        return (content for content, _ in self._parts)


def cut(text: str, placed: Sequence[tuple[Span, Content]]) -> Chunks:
    """A text cut into chunks at its marks; what is placed stands in the chunks in place of its span."""
    chunks: list[list[Content]] = [[]]
    position = 0
    for (start, end), part in [*placed, ((len(text), len(text)), "")]:
        if start > position:
            chunks[-1].append(text[position:start])
        position = end
        if isinstance(part, Mark):
            chunks.append([])
        elif part:
            chunks[-1].append(part)
    return tuple(map(tuple, chunks))


def _with_marks(node: Node) -> Iterator[Part]:
    for index, item in enumerate(node.items()):
        if isinstance(item, Node):
            high, low = divmod(index // 2, _PRIVATE_COUNT)
            yield Part(Mark(chr(_PRIVATE + high) + chr(_PRIVATE + low) + item.ending()))
        else:
            yield from item
