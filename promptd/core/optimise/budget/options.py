"""The options that a budget has for each piece of a prompt, with their tokens and their value.

The value of an option is priority x idf of the component's words (nats) x the share it keeps. A one-line
reference has a tenth of the value of all that it replaces, since a model can fetch it; a component that was
asked for has twice the value of one that it includes, and one that is in the prompt again an eighth of the
value of its first occurrence. Values are whole numbers, and below
their last digit of information they prefer the weaker change.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptd.core.assembly.fill import Filled
from promptd.core.assembly.reference import Reference
from promptd.core.assembly.skeleton import Draft, Skeleton
from promptd.core.optimise.budget.author_hints import NEVER, AuthorHints
from promptd.core.optimise.budget.records import DROPPED, REFERENCE, Variant, Variants, as_it_is
from promptd.core.optimise.budget.tree import Content, Node, Part, raw
from promptd.protocol.records import RemovedUnit

FETCHABLE = 10  # the value of a reference is one in so many of what it replaces
ENTRY = 2  # a component that was asked for counts so many times
SAID_AGAIN = 8  # that of a component's second occurrence is one in so many of its first
MILLINATS = 1_000
RANKS = 8

_PLAIN = AuthorHints()

VariantsOf = Callable[[Node, AuthorHints], Variants]
Fill = Callable[[Skeleton], Filled]
Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be done with a piece. A final one replaces all below it as well."""

    name: str
    tokens: int
    value: int
    kept: float
    chunks: tuple[tuple[Content, ...], ...]
    units: tuple[RemovedUnit, ...] = ()
    is_final: bool = False


@dataclass(slots=True, eq=False)
class OptionGroup:
    """One piece with its options. `idf`: of its own text, in nats; `must_stay`: something in it must."""

    node: Node
    draft: Draft
    hints: AuthorHints
    variants: tuple[Variant, ...]
    idf: float
    must_stay: bool
    size: int = 1
    tokens: int = 0  # as it is
    options: tuple[Option, ...] = ()

    def __repr__(self) -> str:
        return f"<OptionGroup {self.draft.id}, {len(self.options)} options>"


def survey(
    root: Node,
    like: Skeleton,
    author_hints: Mapping[str, AuthorHints],
    variants_of: VariantsOf,
    fill: Fill,
    count: Count,
) -> list[OptionGroup]:
    """Every piece of a tree in the order of the manifest, with its options."""
    groups = list(_groups(root, author_hints, variants_of, count))
    _take_sizes(groups)
    tokens = _measured(groups, like, fill, count)
    for group, measured in zip(groups, tokens, strict=True):
        group.tokens = measured[0]
        group.options = tuple(_own_options(group, measured))
    for index, group in enumerate(groups):
        if not group.must_stay:
            group.options += tuple(_final_options(group, groups[index : index + group.size], count))
    return groups


def _groups(
    root: Node, author_hints: Mapping[str, AuthorHints], variants_of: VariantsOf, count: Count
) -> Iterator[OptionGroup]:
    seen: set[tuple[str, str]] = set()
    for node in root.walk():
        draft = node.draft
        if draft is None:
            continue
        hints = author_hints.get(draft.id, _PLAIN)
        if draft.reason != "included":
            yield OptionGroup(node, draft, hints, (as_it_is(node, count),), 0.0, not draft.chain)
            continue
        found = variants_of(node, hints)
        key = (draft.id, "".join(raw(part.content) for part in node.own_parts()))
        weight = hints.priority if draft.chain else ENTRY * hints.priority
        idf = found.idf * weight / (SAID_AGAIN if key in seen else 1)
        seen.add(key)
        must_stay = not draft.chain or hints.limit == NEVER or hints.is_kept or hints.min_tokens > 0
        yield OptionGroup(node, draft, hints, found.all, idf, must_stay)


def _take_sizes(groups: Sequence[OptionGroup]) -> None:
    """Sizes of subtrees; what something in it keeps must stay too."""
    by_node = {id(group.node): group for group in groups}
    for group in reversed(groups):
        below = [by_node[id(child)] for child in group.node.children]
        group.size += sum(child.size for child in below)
        group.must_stay = group.must_stay or any(child.must_stay for child in below)


def _measured(groups: Sequence[OptionGroup], like: Skeleton, fill: Fill, count: Count) -> list[list[int]]:
    """Tokens of every variant of every piece; those with values in them are filled all at once."""
    tokens = [[variant.tokens or 0 for variant in group.variants] for group in groups]
    parts: list[Content] = []
    chunks: list[tuple[int, int, int, int]] = []
    for index, group in enumerate(groups):
        for number, variant in enumerate(group.variants):
            for chunk in variant.chunks if variant.tokens is None else ():
                chunks.append((index, number, len(parts), len(parts) + len(chunk)))
                parts += chunk
    if parts:
        filled = fill(Skeleton(parts, like.drafts, variables=like.variables))
        for index, number, first, last in chunks:
            tokens[index][number] += count(filled.text[filled.offset(first) : filled.offset(last)])
    return tokens


def _own_options(group: OptionGroup, tokens: Sequence[int]) -> Iterator[Option]:
    """The component in its variants, as far as its author allows."""
    minimum = min(group.hints.min_tokens, tokens[0])
    for number, (variant, measured) in enumerate(zip(group.variants, tokens, strict=True)):
        if measured >= minimum and (not number or measured < tokens[0]):
            value = round(group.idf * variant.kept * MILLINATS) * RANKS + max(RANKS - 1 - number, 1)
            yield Option(variant.name, measured, value, variant.kept, variant.chunks, variant.units)


def _final_options(group: OptionGroup, whole: Sequence[OptionGroup], count: Count) -> Iterator[Option]:
    """The component and all below it as one line, where that saves anything, or gone."""
    stands_for = sum(each.tokens for each in whole)
    draft = group.draft
    reference = Reference(draft.id, group.hints.description, tokens=stands_for, digest=draft.digest)
    line = reference.line + group.node.ending()
    tokens = count(line)
    rest = ((),) * len(group.node.children)
    if group.draft.reason == "included" and tokens < stands_for:
        value = round(sum(each.idf for each in whole) * MILLINATS) * RANKS
        yield Option(REFERENCE, tokens, value // FETCHABLE, 0.0, ((line,), *rest), is_final=True)
    yield Option(DROPPED, 0, 0, 0.0, ((), *rest), is_final=True)


def chosen(group: OptionGroup, option: Option) -> list[list[Part]]:
    """The chunks of an option as parts; an unchanged piece keeps its sources."""
    if option.chunks is group.variants[0].chunks:
        return group.node.chunks
    return [[Part(content) for content in chunk] for chunk in option.chunks]
