"""Pieces without values first, so that the prefix that providers can cache is longer.

A client may ask for it; an author may allow it (`stable_first: true` in front matter, for what that component
includes directly one after the other).
"""

from collections.abc import Container, Iterator, Mapping

from promptd.core.assembly.cache_prefix import is_live
from promptd.core.assembly.skeleton import Skeleton
from promptd.core.optimise.budget.author_hints import AuthorHints
from promptd.core.optimise.budget.tree import (
    Node,
    flatten,
    grow,
    raw,
)
from promptd.core.syntax.slots import Slot

_PLAIN = AuthorHints()


def stable_first(
    skeleton: Skeleton, author_hints: Mapping[str, AuthorHints], known: Container[str], *, is_asked: bool
) -> tuple[Skeleton, bool]:
    """The skeleton with stable pieces first where that is allowed, and whether anything moved.

    `is_asked`: the order of the components asked for is the client's own, who allows it.
    """
    root = grow(skeleton)
    has_moved = False
    for node in root.walk():
        allowed = is_asked if node.draft is None else author_hints.get(node.draft.id, _PLAIN).is_stable_first
        if allowed and _reorder(node, skeleton, known):
            has_moved = True
    return (flatten(root, skeleton), True) if has_moved else (skeleton, False)


def _reorder(node: Node, skeleton: Skeleton, known: Container[str]) -> bool:
    before = list(node.children)
    for first, last in _runs(node):
        run = node.children[first:last]
        node.children[first:last] = sorted(run, key=lambda child: _has_values(child, skeleton, known))
    return node.children != before


def _runs(node: Node) -> Iterator[tuple[int, int]]:
    """Stretches of children with nothing but white space between them, each of which ends its line."""
    first = 0
    for index in range(len(node.children) + 1):
        is_end = index == len(node.children) or not node.children[index].ending()
        between = "".join(raw(part.content) for part in node.chunks[index])
        if is_end or (index > first and between.strip()):
            if index - first > 1:
                yield first, index
            first = index + is_end


def _has_values(node: Node, skeleton: Skeleton, known: Container[str]) -> bool:
    contents = (part.content for part in node.parts())
    return any(isinstance(each, Slot) and is_live(each, skeleton, known) for each in contents)
