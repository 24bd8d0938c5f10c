"""The variants of one component: as it is, by each strategy, and as an outline, of its own text alone.

What a component includes is not looked at: a mark stands in the place of each child. So a variant depends on
the component alone and can be kept for every prompt it stands in. Values go in afterwards, as everywhere.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptd.core.optimise.budget.author_hints import NEVER, AuthorHints
from promptd.core.optimise.budget.folded import OUTLINE, outlines
from promptd.core.optimise.budget.own_text import Mark, OwnText, cut
from promptd.core.optimise.budget.tree import Content, Node, raw
from promptd.core.optimise.budget.whole_prompt import units_of
from promptd.core.optimise.optimise import Piece, Tools, optimise
from promptd.core.optimise.strategies import Strategy
from promptd.core.optimise.words import words
from promptd.core.syntax.slots import Slot
from promptd.protocol.records import RemovedUnit

AS_IS = "as is"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to write a component's own text. `kept` is the share of its information, 0 to 1.

    `tokens` are those of its chunks, each counted alone; None where they depend on values.
    """

    name: str
    chunks: tuple[tuple[Content, ...], ...]
    tokens: int | None
    units: tuple[RemovedUnit, ...] = ()
    kept: float = 1.0


@dataclass(frozen=True, slots=True)
class Variants:
    """All variants of one component, the first as it is; `worth` is its information in nats.

    `skipped`: the passes that raised, each with the sentence that says so.
    """

    all: tuple[Variant, ...]
    worth: float
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """About what it costs to keep them."""
        parts = (part for variant in self.all for chunk in variant.chunks for part in chunk)
        units = sum(len(variant.units) for variant in self.all)
        return 500 + 300 * units + sum(80 + 2 * len(raw(part)) for part in parts)


def key_of(node: Node) -> tuple[object, ...]:
    """What variants depend on: where the text is written, how, and whether it may be left out."""
    draft = node.draft
    return (draft.id, draft.digest, not draft.chain, OwnText(node).text) if draft is not None else ()


def variants_of(node: Node, strategies: Mapping[str, Strategy], tools: Tools, card: AuthorHints) -> Variants:
    """Every variant a component may have, weakest first; one that changes nothing is left out.

    One that was asked for, and so is never dropped, has outlines too.
    """
    own = OwnText(node)
    found = [as_it_is(node, tools.count)]
    skipped: dict[str, str] = {}
    if card.limit != NEVER and own.text.strip():
        for variant in _made(own, _allowed(strategies, card), tools, card, skipped):
            if all(variant.chunks != other.chunks for other in found):
                found.append(variant)
    return Variants(tuple(found), tools.idf.sum(set(words(own.text))), skipped)


def _made(
    own: OwnText, strategies: Iterator[Strategy], tools: Tools, card: AuthorHints, skipped: dict[str, str]
) -> Iterator[Variant]:
    for strategy in strategies:
        variant = _by(own, strategy, tools, skipped)
        if variant is not None:
            yield variant
    if own.node.draft is not None and not own.node.draft.chain and card.limit is None:
        for outline in outlines(own, tools):
            tokens = _tokens(outline.chunks, tools.count)
            yield Variant(OUTLINE, outline.chunks, tokens, outline.units, outline.kept)


def as_it_is(node: Node, count: Callable[[str], int]) -> Variant:
    """The variant that changes nothing."""
    chunks = tuple(tuple(part.content for part in chunk) for chunk in node.chunks)
    return Variant(AS_IS, chunks, _tokens(chunks, count))


def _tokens(chunks: Sequence[Sequence[Content]], count: Callable[[str], int]) -> int | None:
    if any(isinstance(part, Slot) for chunk in chunks for part in chunk):
        return None
    return sum(count("".join(map(raw, chunk))) for chunk in chunks if chunk)


def _allowed(strategies: Mapping[str, Strategy], card: AuthorHints) -> Iterator[Strategy]:
    """The strategies up to the author's limit, in their order."""
    for strategy in strategies.values():
        if strategy.passes:
            yield strategy
        if strategy.name == card.limit:
            return


def _by(own: OwnText, strategy: Strategy, tools: Tools, skipped: dict[str, str]) -> Variant | None:
    """The variant by one strategy, or None if a mark did not survive, which no pass should do."""
    pieces = [Piece("", span, NEVER) for span, _ in own.held]
    result = optimise(own.text, pieces, strategy, tools)
    skipped.update(zip(result.skipped, result.warnings, strict=True))
    placed = [(span, part) for span, (_, part) in zip(result.spans, own.held, strict=True)]
    if any(isinstance(part, Mark) and result.text[slice(*span)] != part for span, part in placed):
        return None
    chunks = cut(result.text, [(span, part) for span, part in placed if span[0] < span[1]])
    units = (unit for removed in result.removed for _, unit in units_of(removed, own.ledger, own.text, tools))
    kept = min(result.quality.information.ratio, 1.0)
    return Variant(strategy.name, chunks, _tokens(chunks, tools.count), tuple(units), kept)
