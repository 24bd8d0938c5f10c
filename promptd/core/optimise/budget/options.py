"""The places of a prompt: each piece with the options a budget has for it, what they cost and are worth.

An option is worth priority x nats of the component's words x the share it keeps. A one-line reference is
worth a tenth of all that it stands for, since whoever needs it can fetch it; a component that stands in the
prompt again is worth an eighth of its first place. Values are whole numbers, and below their last digit of
information they prefer the weaker change.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptd.core.assembly.fill import Filled
from promptd.core.assembly.skeleton import Draft, Skeleton
from promptd.core.assembly.writer import reference_line
from promptd.core.optimise.budget.author_hints import NEVER, AuthorHints
from promptd.core.optimise.budget.tree import (
    Content,
    Node,
    Part,
    raw,
)
from promptd.core.optimise.budget.variants import Variant, Variants, as_it_is
from promptd.protocol.records import RemovedUnit

REFERENCE, DROPPED = "reference", "dropped"
FETCHABLE = 10  # a reference is worth one in so many of what it stands for
SAID_AGAIN = 8  # a component's second place is worth one in so many of its first
MILLINATS = 1_000
RANKS = 8

_PLAIN = AuthorHints()

VariantsOf = Callable[[Node, AuthorHints], Variants]
Fill = Callable[[Skeleton], Filled]
Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be done with a place. A final one takes the place of all below as well."""

    name: str
    tokens: int
    value: int
    kept: float
    chunks: tuple[tuple[Content, ...], ...]
    units: tuple[RemovedUnit, ...] = ()
    is_final: bool = False


@dataclass(slots=True, eq=False)
class OptionGroup:
    """One piece. `worth` is that of its own text in nats, `must_stay` if it or something in it has to."""

    node: Node
    draft: Draft
    card: AuthorHints
    variants: tuple[Variant, ...]
    worth: float
    must_stay: bool
    size: int = 1
    tokens: int = 0  # as it is
    options: tuple[Option, ...] = ()

    def __repr__(self) -> str:
        return f"<OptionGroup {self.draft.id}, {len(self.options)} options>"


def survey(
    root: Node,
    like: Skeleton,
    cards: Mapping[str, AuthorHints],
    variants_of: VariantsOf,
    fill: Fill,
    count: Count,
) -> list[OptionGroup]:
    """Every place of a tree in the order of the manifest, with its options."""
    places = list(_places(root, cards, variants_of, count))
    _take_sizes(places)
    tokens = _measured(places, like, fill, count)
    for place, measured in zip(places, tokens, strict=True):
        place.tokens = measured[0]
        place.options = tuple(_own(place, measured))
    for index, place in enumerate(places):
        if not place.must_stay:
            place.options += tuple(_final(place, places[index : index + place.size], count))
    return places


def _places(
    root: Node, cards: Mapping[str, AuthorHints], variants_of: VariantsOf, count: Count
) -> Iterator[OptionGroup]:
    seen: set[tuple[str, str]] = set()
    for node in root.walk():
        draft = node.draft
        if draft is None:
            continue
        card = cards.get(draft.id, _PLAIN)
        if draft.reason != "included":
            yield OptionGroup(node, draft, card, (as_it_is(node, count),), 0.0, not draft.chain)
            continue
        found = variants_of(node, card)
        key = (draft.id, "".join(raw(part.content) for part in node.own()))
        worth = found.worth * card.priority / (SAID_AGAIN if key in seen else 1)
        seen.add(key)
        must_stay = not draft.chain or card.limit == NEVER or card.min_tokens > 0
        yield OptionGroup(node, draft, card, found.all, worth, must_stay)


def _take_sizes(places: Sequence[OptionGroup]) -> None:
    """Sizes of subtrees; what something in it keeps must stay too."""
    by_node = {id(place.node): place for place in places}
    for place in reversed(places):
        below = [by_node[id(child)] for child in place.node.children]
        place.size += sum(child.size for child in below)
        place.must_stay = place.must_stay or any(child.must_stay for child in below)


def _measured(places: Sequence[OptionGroup], like: Skeleton, fill: Fill, count: Count) -> list[list[int]]:
    """Tokens of every variant of every place; those with values in them are filled all at once."""
    tokens = [[variant.tokens or 0 for variant in place.variants] for place in places]
    parts: list[Content] = []
    chunks: list[tuple[int, int, int, int]] = []
    for index, place in enumerate(places):
        for number, variant in enumerate(place.variants):
            for chunk in variant.chunks if variant.tokens is None else ():
                chunks.append((index, number, len(parts), len(parts) + len(chunk)))
                parts += chunk
    if parts:
        filled = fill(Skeleton(parts, like.drafts, variables=like.variables))
        for index, number, first, last in chunks:
            tokens[index][number] += count(filled.text[filled.offset(first) : filled.offset(last)])
    return tokens


def _own(place: OptionGroup, tokens: Sequence[int]) -> Iterator[Option]:
    """The component in its variants, as far as its author allows."""
    least = min(place.card.min_tokens, tokens[0])
    for number, (variant, measured) in enumerate(zip(place.variants, tokens, strict=True)):
        if measured >= least and (not number or measured < tokens[0]):
            value = round(place.worth * variant.kept * MILLINATS) * RANKS + max(RANKS - 1 - number, 1)
            yield Option(variant.name, measured, value, variant.kept, variant.chunks, variant.units)


def _final(place: OptionGroup, whole: Sequence[OptionGroup], count: Count) -> Iterator[Option]:
    """The component and all below it as one line, where that saves anything, or gone."""
    stands_for = sum(each.tokens for each in whole)
    line = reference_line(place.draft.id, place.card.description, stands_for) + place.node.ending()
    tokens = count(line)
    rest = ((),) * len(place.node.children)
    if place.draft.reason == "included" and tokens < stands_for:
        worth = round(sum(each.worth for each in whole) * MILLINATS) * RANKS
        yield Option(REFERENCE, tokens, worth // FETCHABLE, 0.0, ((line,), *rest), is_final=True)
    yield Option(DROPPED, 0, 0, 0.0, ((), *rest), is_final=True)


def chosen(place: OptionGroup, option: Option) -> list[list[Part]]:
    """The chunks of an option as parts; an unchanged piece keeps its sources."""
    if option.chunks is place.variants[0].chunks:
        return place.node.chunks
    return [[Part(content) for content in chunk] for chunk in option.chunks]
