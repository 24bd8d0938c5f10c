"""A skeleton as a tree of pieces, and back: the own text of each piece, and the pieces that stand in between.

A node's own text comes in chunks: `chunks[0]`, child 0, `chunks[1]`, child 1, …, the last chunk. Every part
knows where in which file it is written, so that whatever is taken out can be had back from there. The tree's
root has no draft: its own chunks are the line endings between the components that were asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

from promptd.core.assembly.skeleton import Draft, Origin, Skeleton
from promptd.core.assembly.writer import ending
from promptd.core.syntax.slots import Slot

Content = str | Slot


class SourceText(NamedTuple):
    """Where a part is written. Not exact: somewhere in text[start:end] (a shell form that was replaced)."""

    id: str
    start: int
    end: int
    is_exact: bool = True

    def part(self, first: int, last: int) -> tuple[int, int]:
        """The span in the file of characters [first, last) of the part."""
        return (self.start + first, self.start + last) if self.is_exact else (self.start, self.end)


class Part(NamedTuple):
    """Text or a slot, and where it is written, if it is written anywhere."""

    content: Content
    source: SourceText | None = None


@dataclass(slots=True, eq=False)
class Node:
    """One piece: its draft, its own text in chunks, and the pieces between them."""

    draft: Draft | None = None
    chunks: list[list[Part]] = field(default_factory=lambda: [[]])
    children: list["Node"] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Node {self.draft.id if self.draft else '(prompt)'}, {len(self.children)} below>"

    def put(self, child: "Node") -> None:
        """Add a piece after everything there is."""
        self.children.append(child)
        self.chunks.append([])

    def walk(self) -> Iterator["Node"]:
        """This piece and all below it, in the order of the manifest."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def own_parts(self) -> Iterator[Part]:
        """The parts of its own text, in order."""
        for chunk in self.chunks:
            yield from chunk

    def parts(self) -> Iterator[Part]:
        """The parts of its text and of all below, in order."""
        stack: list[Node | list[Part]] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, Node):
                stack += reversed([each for each in item.items() if each])
            else:
                yield from item

    def items(self) -> Iterator["Node | list[Part]"]:
        """Its chunks and children as they follow one another."""
        yield self.chunks[0]
        for child, chunk in zip(self.children, self.chunks[1:], strict=True):
            yield child
            yield chunk

    def ending(self) -> str:
        """The line ending that its text ends with, if it does."""
        last = ""
        for part in self.parts():
            last = raw(part.content) or last
        return ending(last)


def raw(content: Content) -> str:
    """What is written: a slot as it stands in the file."""
    return content if isinstance(content, str) else content.raw


def text_of(parts: Sequence[Content]) -> tuple[str, tuple[int, ...]]:
    """The written text of parts, and where each of them begins in it; one offset more than parts."""
    texts = [raw(part) for part in parts]
    return "".join(texts), (0, *accumulate(map(len, texts)))


# -- from a skeleton ------------------------------------------------------------------------------


def grow(skeleton: Skeleton) -> Node:
    """The tree of a skeleton. Its drafts are copied, so that the skeleton stays as it is."""
    parts = list(_with_sources(skeleton))
    root = Node()
    stack = [(root, len(parts))]  # open pieces, and where each of them ends
    position = 0
    for draft in skeleton.drafts:
        while len(stack) > len(draft.chain) + 1:
            position = _close(stack, parts, position)
        top = stack[-1][0]
        top.chunks[-1] += parts[position : draft.first]
        position = max(position, draft.first)
        node = Node(replace(draft))
        top.put(node)
        stack.append((node, draft.last))
    while stack:
        position = _close(stack, parts, position)
    return root


def _close(stack: list[tuple[Node, int]], parts: Sequence[Part], position: int) -> int:
    node, end = stack.pop()
    node.chunks[-1] += parts[position:end]
    return max(position, end)


def _with_sources(skeleton: Skeleton) -> Iterator[Part]:
    position = 0
    for origin in skeleton.origins:
        yield from map(Part, skeleton.parts[position : origin.first])
        yield from _cut(skeleton.parts[origin.first : origin.last], origin)
        position = max(position, origin.last)
    yield from map(Part, skeleton.parts[position:])


def _cut(parts: Sequence[Content], origin: Origin) -> Iterator[Part]:
    """The parts of one stretch of a file. At most a line ending may have been taken off its end."""
    _, offsets = text_of(parts)
    is_exact = 0 <= origin.end - origin.start - offsets[-1] <= len("\r\n")
    for part, at in zip(parts, offsets, strict=False):
        span = (origin.start + at, origin.start + at + len(raw(part)))
        yield Part(part, SourceText(origin.id, *(span if is_exact else origin[3:]), is_exact))


# -- to a skeleton --------------------------------------------------------------------------------


def flatten(root: Node, like: Skeleton) -> Skeleton:
    """The skeleton of a tree; notes and declared variables are those of `like`."""
    skeleton = Skeleton(notes=list(like.notes), variables=like.variables)
    stack: list[Node | list[Part] | Draft] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, Draft):
            item.last = len(skeleton.parts)
        elif isinstance(item, Node):
            if item.draft is not None:
                item.draft.first = len(skeleton.parts)
                skeleton.drafts.append(item.draft)
                stack.append(item.draft)
            stack += reversed(list(item.items()))
        else:
            _write(skeleton, item)
    return skeleton


def _write(skeleton: Skeleton, chunk: Sequence[Part]) -> None:
    for content, source in chunk:
        if raw(content):
            at = len(skeleton.parts)
            skeleton.parts.append(content)
            if source is not None:
                skeleton.origins.append(Origin(at, at + 1, source.id, source.start, source.end))
