"""The stable prefix of a prompt: what stands before the first place for a value, and how to make it longer.

Providers bill a prompt's beginning at a tenth if it equals the one they saw before. What stands before the
first value is the same in every request; an author may allow pieces without values to come first
(`stable_first: true` in front matter, for what that component includes directly one after the other).
"""

from collections.abc import Container, Iterator, Mapping

from promptd.core.assembly.fill import Filled
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


def stable_end(skeleton: Skeleton, filled: Filled, known: Container[str]) -> int:
    """Where the stable prefix ends in the text, in code points. `known`: names that get values."""
    for run, slot in filled.layout.slots:
        if _is_live(slot, skeleton, known):
            return filled.starts[run]
    return filled.starts[-1]


def _is_live(slot: Slot, skeleton: Skeleton, known: Container[str]) -> bool:
    """True unless the slot is other brace text that nobody gives a value to."""
    return slot.kind != "variable" or slot.name in skeleton.variables or slot.name in known


def stable_first(
    skeleton: Skeleton, cards: Mapping[str, AuthorHints], known: Container[str], *, is_asked: bool
) -> tuple[Skeleton, bool]:
    """The skeleton with stable pieces first where that is allowed, and whether anything moved.

    `is_asked`: the order of the components asked for is the client's own, who allows it.
    """
    root = grow(skeleton)
    has_moved = False
    for node in root.walk():
        allowed = is_asked if node.draft is None else cards.get(node.draft.id, _PLAIN).is_stable_first
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
    return any(isinstance(each, Slot) and _is_live(each, skeleton, known) for each in contents)
