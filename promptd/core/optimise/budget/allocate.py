"""A budget for a prompt: one option for each piece, so that the sum fits and most of what matters stays.

The components asked for are never dropped, nor is what an author protects by `optimise: never` or
`min_tokens`, nor anything such a component stands in. What each option is worth is in `places`, how the
choice is made in `knapsack`.

Tokens do not add up exactly where texts meet inside a line. So the text that was chosen is counted whole,
and as long as it does not fit it is chosen again with that much less room; in the end the smallest stands.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

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
    DROPPED,
    REFERENCE,
    Count,
    Fill,
    Option,
    OptionGroup,
    VariantsOf,
    chosen,
    survey,
)
from promptd.core.optimise.budget.tree import (
    Node,
    Part,
    flatten,
    grow,
)
from promptd.core.optimise.budget.variants import AS_IS, Variants, as_it_is
from promptd.errors import OverBudget
from promptd.protocol.records import AllocationRow, RemovedUnit

MAX_REPAIRS = 8


class Room(NamedTuple):
    """The most tokens a request may cost, and how many of them are kept free for the model's output."""

    budget: int
    reserve: int = 0


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
    cards: Mapping[str, AuthorHints],
    variants_of: VariantsOf,
    fill: Fill,
    count: Count,
    room: Room,
) -> Allocation:
    """Choose what fits. Raises OverBudget that says the smallest budget that would do.

    `variants_of` may keep what it made, `fill` puts the values of the request into a skeleton. As long as
    everything fits as it is, nothing is touched.
    """
    return _Budget(skeleton, fill, count).within(room, cards, variants_of)


def untouched(
    skeleton: Skeleton, cards: Mapping[str, AuthorHints], fill: Fill, count: Count
) -> tuple[AllocationRow, ...]:
    """The account of a prompt that fits as it is."""

    def as_is(node: Node, _card: AuthorHints) -> Variants:
        return Variants((as_it_is(node, count),), 0.0)

    places = survey(grow(skeleton), skeleton, cards, as_is, fill, count)
    return tuple(_row(place, place.options[0], None) for place in places)


class _Budget:
    def __init__(self, skeleton: Skeleton, fill: Fill, count: Count) -> None:
        self.skeleton, self.fill, self.count = skeleton, fill, count
        self.root = grow(skeleton)

    def within(self, room: Room, cards: Mapping[str, AuthorHints], variants_of: VariantsOf) -> Allocation:
        capacity = room.budget - room.reserve
        places = survey(self.root, self.skeleton, cards, variants_of, self.fill, self.count)
        items = [Item(place.size, tuple(map(_choice, place.options))) for place in places]
        least = self.composed(places, smallest(items))
        if least.tokens > capacity:
            raise impossible(least.tokens, room)
        whole = self.count(self.fill(self.skeleton).text)
        left = capacity - (whole - sum(place.tokens for place in places))
        for _ in range(MAX_REPAIRS):
            solution = solve(items, left)
            if solution is None:
                break
            found = self.composed(places, solution)
            if found.tokens <= capacity:
                return found
            left -= found.tokens - capacity
        return least

    def composed(self, places: Sequence[OptionGroup], solution: Solution) -> Allocation:
        """The prompt with these picks, filled and counted."""
        built: dict[int, Node] = {}
        rows = []
        for place, option, above in _options(places, solution):
            built[id(place.node)] = _piece(place, option, above)
            rows.append(_row(place, option, above))
        for place in places:
            built[id(place.node)].children = [built[id(child)] for child in place.node.children]
        root = Node(None, self.root.chunks, [built[id(child)] for child in self.root.children])
        skeleton = flatten(root, self.skeleton)
        filled = self.fill(skeleton)
        return Allocation(skeleton, filled, self.count(filled.text), tuple(rows), solution.gap)


def _choice(option: Option) -> Choice:
    return Choice(option.tokens, option.value, option.is_final)


def _options(
    places: Sequence[OptionGroup], solution: Solution
) -> Iterator[tuple[OptionGroup, Option | None, OptionGroup | None]]:
    """Each place with what was chosen for it, or with the place above whose final option it is part of."""
    above: OptionGroup | None = None
    for place, pick in zip(places, solution.picks, strict=True):
        if pick is None:
            yield place, None, above
            continue
        option = place.options[pick]
        yield place, option, None
        above = place if option.is_final else above


def _piece(place: OptionGroup, option: Option | None, above: OptionGroup | None) -> Node:
    """The piece as it was chosen; what is left out keeps an empty one, so that the manifest has it."""
    was = place.draft
    if option is not None and not option.is_final:
        variant = "" if option.name == AS_IS else option.name
        return Node(
            replace(was, variant=variant, removed=(*was.removed, *option.units)), chosen(place, option)
        )
    name = option.name if option is not None else DROPPED
    draft = replace(
        was,
        reason="referenced" if name == REFERENCE else "dropped",
        variant=name,
        removed=(*was.removed, *_whole(place, _why(place, option, above))),
    )
    empty: list[list[Part]] = [[] for _ in place.node.chunks]
    return Node(draft, chosen(place, option) if option is not None else empty)


def _whole(place: OptionGroup, reason: str) -> Iterator[RemovedUnit]:
    """All of a component as one unit, if it has text of its own."""
    sources = [part.source for part in place.node.own() if part.source is not None]
    if sources:
        span = (min(source.start for source in sources), max(source.end for source in sources))
        yield RemovedUnit(span, place.tokens, "component", reason)


def _row(place: OptionGroup, option: Option | None, above: OptionGroup | None) -> AllocationRow:
    return AllocationRow(
        place.draft.id,
        len(place.draft.chain),
        place.card.priority,
        option.name if option is not None else DROPPED,
        option.tokens if option is not None else 0,
        place.tokens,
        round(option.kept, 4) if option is not None else 0.0,
        _why(place, option, above),
    )


def _why(place: OptionGroup, option: Option | None, above: OptionGroup | None) -> str:
    """Why this option, in a few words."""
    if option is None:
        return f"stands in {above.draft.id}" if above is not None else ""
    if option.name == REFERENCE:
        return "loses least per token; can be fetched"
    if option.name == DROPPED:
        is_offered = any(each.name == REFERENCE for each in place.options)
        return "no room" if is_offered else "no room, and a reference would save nothing"
    if option.name != AS_IS:
        saved = place.tokens - option.tokens
        return f"{saved} tokens for {1 - option.kept:.1%} of its information"
    return _protection(place)


def _protection(place: OptionGroup) -> str:
    """Why a component is as it is."""
    if place.draft.reason != "included":
        return place.draft.reason
    if place.card.limit == NEVER:
        return "optimise: never"
    if len(place.options) > 1 or not place.draft.chain:
        return "fits as it is"
    return f"min_tokens: {place.card.min_tokens}" if place.card.min_tokens else "fits as it is"


def impossible(least: int, room: Room) -> OverBudget:
    """The refusal of a budget for a prompt that cannot have fewer than `least` tokens."""
    kept = f" and {room.reserve} are kept for output" if room.reserve else ""
    return OverBudget(
        f"the prompt needs at least {least} tokens{kept}: the smallest budget that would do is"
        f" {least + room.reserve}, not {room.budget}",
        budget=room.budget,
        reserve=room.reserve,
        smallest=least + room.reserve,
    )
