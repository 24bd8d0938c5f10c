"""A choice for each piece becomes a prompt: a skeleton with values, counted, and why it was so chosen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from promptd.core.assembly.fill import Filled
from promptd.core.assembly.skeleton import Skeleton
from promptd.core.optimise.budget.author_hints import NEVER
from promptd.core.optimise.budget.options import Count, Fill, Option, OptionGroup, chosen
from promptd.core.optimise.budget.records import AS_IS, CUT, DROPPED, REFERENCE
from promptd.core.optimise.budget.tree import Node, Part, flatten, grow
from promptd.protocol.records import AllocationRow, RemovedUnit

Picks = Sequence[Option | None]  # for each piece in preorder; None for what a final option above replaces


@dataclass(frozen=True, slots=True)
class Blocked:
    """What did not fit into the tokens that are left: what it is, how many, and where in which file.

    `more` are the tokens of what would have to come with it.
    """

    what: str
    tokens: int
    id: str
    offset: int
    more: int = 0


@dataclass(frozen=True, slots=True)
class Allocation:
    """The skeleton that fits, its text with values, and how it came about.

    `gap` is the share of value that a better choice might still have; 0.0 where none has. `blocked` is what
    was too large for the tokens that are left over.
    """

    skeleton: Skeleton
    filled: Filled
    tokens: int
    rows: tuple[AllocationRow, ...]
    gap: float = 0.0
    blocked: Blocked | None = None


class Composer:
    """Makes prompts of one skeleton."""

    def __init__(self, skeleton: Skeleton, fill: Fill, count: Count) -> None:
        self.skeleton, self.fill, self.count = skeleton, fill, count
        self.root = grow(skeleton)

    def __repr__(self) -> str:
        return f"<Composer of {self.skeleton!r}>"

    def composed(self, groups: Sequence[OptionGroup], picks: Picks, gap: float = 0.0) -> Allocation:
        """The prompt with these picks, filled and counted."""
        built: dict[int, Node] = {}
        rows = []
        for group, option, parent in _with_parents(groups, picks):
            built[id(group.node)] = _piece(group, option, parent)
            rows.append(row_of(group, option, parent))
        for group in groups:
            built[id(group.node)].children = [built[id(child)] for child in group.node.children]
        root = Node(None, self.root.chunks, [built[id(child)] for child in self.root.children])
        skeleton = flatten(root, self.skeleton)
        filled = self.fill(skeleton)
        return Allocation(skeleton, filled, self.count(filled.text), tuple(rows), gap)


def _with_parents(
    groups: Sequence[OptionGroup], picks: Picks
) -> Iterator[tuple[OptionGroup, Option | None, OptionGroup | None]]:
    """Each piece with what was chosen for it, or with the parent whose final option it is part of."""
    parent: OptionGroup | None = None
    for group, option in zip(groups, picks, strict=True):
        if option is None:
            yield group, None, parent
            continue
        yield group, option, None
        parent = group if option.is_final else parent


def _piece(group: OptionGroup, option: Option | None, parent: OptionGroup | None) -> Node:
    """The piece as it was chosen; what is left out keeps an empty one, so that the manifest has it."""
    was = group.draft
    if option is not None and not option.is_final:
        variant = "" if option.name == AS_IS else option.name
        return Node(
            replace(was, variant=variant, removed=(*was.removed, *option.units)), chosen(group, option)
        )
    name = option.name if option is not None else DROPPED
    draft = replace(
        was,
        reason="referenced" if name == REFERENCE else "dropped",
        variant=name,
        removed=(*was.removed, *_whole_unit(group, _why(group, option, parent))),
    )
    empty: list[list[Part]] = [[] for _ in group.node.chunks]
    return Node(draft, chosen(group, option) if option is not None else empty)


def _whole_unit(group: OptionGroup, reason: str) -> Iterator[RemovedUnit]:
    """All of a component as one unit, if it has text of its own."""
    sources = [part.source for part in group.node.own_parts() if part.source is not None]
    if sources:
        span = (min(source.start for source in sources), max(source.end for source in sources))
        yield RemovedUnit(span, group.tokens, "component", reason)


def row_of(group: OptionGroup, option: Option | None, parent: OptionGroup | None) -> AllocationRow:
    """The account of one piece."""
    return AllocationRow(
        group.draft.id,
        len(group.draft.chain),
        group.hints.priority,
        option.name if option is not None else DROPPED,
        option.tokens if option is not None else 0,
        group.tokens,
        round(option.kept, 4) if option is not None else 0.0,
        _why(group, option, parent),
    )


def _why(group: OptionGroup, option: Option | None, parent: OptionGroup | None) -> str:
    """Why this option, in a few words."""
    if option is None:
        return f"removed with parent {parent.draft.id}" if parent is not None else ""
    if option.name == REFERENCE:
        return "replaced by a reference"
    if option.name == DROPPED:
        is_offered = any(each.name == REFERENCE for each in group.options)
        return "does not fit" if is_offered else "does not fit; a reference would save nothing"
    saved = group.tokens - option.tokens
    if option.name == CUT:
        return f"cut to fit: {saved} tokens less, {1 - option.kept:.1%} of its information lost"
    if option.name != AS_IS:
        return f"reduced by strategy: {saved} tokens less, {1 - option.kept:.1%} of its information lost"
    return _protection(group)


def _protection(group: OptionGroup) -> str:
    """Why a component is as it is."""
    if group.draft.reason != "included":
        return group.draft.reason
    if group.hints.limit == NEVER:
        return "optimise: never"
    if group.hints.is_kept:
        return "keep: true"
    if len(group.options) > 1 or not group.draft.chain:
        return "fits unchanged"
    return f"min_tokens: {group.hints.min_tokens}" if group.hints.min_tokens else "fits unchanged"
