"""A budget for a prompt: one option for each piece, so that the sum fits and most of what matters stays.

The components asked for are never dropped, nor is what an author protects by `optimise: never` or
`min_tokens`, nor anything that includes such a component. `options` says what the value of each option is,
`knapsack` makes the choice.

Tokens do not add up exactly where texts meet inside a line. So the text that was chosen is counted whole,
and as long as it does not fit it is chosen again with that much less capacity; the last resort is the
smallest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from promptd.core.assembly.fill import Filled
from promptd.core.assembly.skeleton import Skeleton
from promptd.core.optimise.budget.author_hints import NEVER, AuthorHints
from promptd.core.optimise.budget.knapsack import (
    Choice,
    Item,
    Solution,
    smallest,
    solve,
)
from promptd.core.optimise.budget.options import (
    Count,
    Fill,
    Option,
    OptionGroup,
    VariantsOf,
    chosen,
    survey,
)
from promptd.core.optimise.budget.records import AS_IS, DROPPED, REFERENCE, Variants, as_it_is
from promptd.core.optimise.budget.tree import (
    Node,
    Part,
    flatten,
    grow,
)
from promptd.core.tokens.cost import TokenBudget
from promptd.errors import OverBudget
from promptd.protocol.records import AllocationRow, RemovedUnit

MAX_REPAIRS = 8


@dataclass(frozen=True, slots=True)
class Allocation:
    """The skeleton that fits, its text with values, and how it came about.

    `gap` is the share of value that a better choice might still have; 0.0 where none has.
    """

    skeleton: Skeleton
    filled: Filled
    tokens: int
    rows: tuple[AllocationRow, ...]
    gap: float = 0.0


def allocate(
    skeleton: Skeleton,
    author_hints: Mapping[str, AuthorHints],
    variants_of: VariantsOf,
    fill: Fill,
    count: Count,
    limit: TokenBudget,
) -> Allocation:
    """Choose what fits. Raises OverBudget that says the smallest budget that fits.

    `variants_of` may keep what it made, `fill` puts the values of the request into a skeleton. As long as
    everything fits as it is, nothing is touched.
    """
    return _Budget(skeleton, fill, count).within(limit, author_hints, variants_of)


def untouched(
    skeleton: Skeleton, author_hints: Mapping[str, AuthorHints], fill: Fill, count: Count
) -> tuple[AllocationRow, ...]:
    """The account of a prompt that fits as it is."""

    def as_is(node: Node, _hints: AuthorHints) -> Variants:
        return Variants((as_it_is(node, count),), 0.0)

    groups = survey(grow(skeleton), skeleton, author_hints, as_is, fill, count)
    return tuple(_row(group, group.options[0], None) for group in groups)


class _Budget:
    def __init__(self, skeleton: Skeleton, fill: Fill, count: Count) -> None:
        self.skeleton, self.fill, self.count = skeleton, fill, count
        self.root = grow(skeleton)

    def within(
        self, limit: TokenBudget, author_hints: Mapping[str, AuthorHints], variants_of: VariantsOf
    ) -> Allocation:
        capacity = limit.budget - limit.reserve
        groups = survey(self.root, self.skeleton, author_hints, variants_of, self.fill, self.count)
        items = [Item(group.size, tuple(map(_choice, group.options))) for group in groups]
        smallest_found = self.composed(groups, smallest(items))
        if smallest_found.tokens > capacity:
            raise impossible(smallest_found.tokens, limit)
        whole = self.count(self.fill(self.skeleton).text)
        left = capacity - (whole - sum(group.tokens for group in groups))
        for _ in range(MAX_REPAIRS):
            solution = solve(items, left)
            if solution is None:
                break
            found = self.composed(groups, solution)
            if found.tokens <= capacity:
                return found
            left -= found.tokens - capacity
        return smallest_found

    def composed(self, groups: Sequence[OptionGroup], solution: Solution) -> Allocation:
        """The prompt with these picks, filled and counted."""
        built: dict[int, Node] = {}
        rows = []
        for group, option, parent in _options(groups, solution):
            built[id(group.node)] = _piece(group, option, parent)
            rows.append(_row(group, option, parent))
        for group in groups:
            built[id(group.node)].children = [built[id(child)] for child in group.node.children]
        root = Node(None, self.root.chunks, [built[id(child)] for child in self.root.children])
        skeleton = flatten(root, self.skeleton)
        filled = self.fill(skeleton)
        return Allocation(skeleton, filled, self.count(filled.text), tuple(rows), solution.gap)


def _choice(option: Option) -> Choice:
    return Choice(option.tokens, option.value, option.is_final)


def _options(
    groups: Sequence[OptionGroup], solution: Solution
) -> Iterator[tuple[OptionGroup, Option | None, OptionGroup | None]]:
    """Each piece with what was chosen for it, or with the parent whose final option it is part of."""
    parent: OptionGroup | None = None
    for group, pick in zip(groups, solution.picks, strict=True):
        if pick is None:
            yield group, None, parent
            continue
        option = group.options[pick]
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


def _row(group: OptionGroup, option: Option | None, parent: OptionGroup | None) -> AllocationRow:
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
    if option.name != AS_IS:
        saved = group.tokens - option.tokens
        return f"reduced by strategy: {saved} tokens less, {1 - option.kept:.1%} of its information lost"
    return _protection(group)


def _protection(group: OptionGroup) -> str:
    """Why a component is as it is."""
    if group.draft.reason != "included":
        return group.draft.reason
    if group.hints.limit == NEVER:
        return "optimise: never"
    if len(group.options) > 1 or not group.draft.chain:
        return "fits unchanged"
    return f"min_tokens: {group.hints.min_tokens}" if group.hints.min_tokens else "fits unchanged"


def impossible(fewest: int, limit: TokenBudget) -> OverBudget:
    """The refusal of a budget for a prompt that cannot have fewer than `fewest` tokens."""
    reserved = f" and {limit.reserve} are reserved for output" if limit.reserve else ""
    smallest_budget = fewest + limit.reserve
    return OverBudget(
        f"budget too small: the prompt needs at least {fewest} tokens{reserved}; the smallest budget that"
        f" fits is {smallest_budget}, not {limit.budget}",
        budget=limit.budget,
        reserve=limit.reserve,
        smallest=smallest_budget,
    )
