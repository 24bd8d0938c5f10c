"""The variants of one component: as it is, and by each strategy, of its own text alone.

What a component includes is not looked at: in its text stands a mark in the place of each child, frozen and
of characters for private use, and the variant is cut there again. So a variant depends on the component
alone and can be kept for every prompt it stands in. Values go in afterwards, as everywhere.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptd.engine.fitting.cards import NEVER, Card
from promptd.engine.fitting.shape import Content, Ledger, Node, Part, raw, text_of
from promptd.engine.fitting.whole import units_of
from promptd.engine.skeleton import Unit
from promptd.engine.slots import Slot
from promptd.engine.tokens.optimise import Optimised, Piece, Tools, optimise
from promptd.engine.tokens.strategies import Strategy
from promptd.engine.tokens.words import words

AS_IS = "as is"
_PRIVATE, _PRIVATE_COUNT = 0xE000, 6_400  # Unicode's private use area: no words, no white space, no markup


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to write a component's own text. `kept` is the share of its information, 0 to 1.

    `tokens` are those of its chunks, each counted alone; None where they depend on values.
    """

    name: str
    chunks: tuple[tuple[Content, ...], ...]
    tokens: int | None
    units: tuple[Unit, ...] = ()
    kept: float = 1.0


@dataclass(frozen=True, slots=True)
class Variants:
    """All variants of one component, the first as it is; `worth` is its information in nats."""

    all: tuple[Variant, ...]
    worth: float

    @property
    def size_bytes(self) -> int:
        """About what it costs to keep them."""
        parts = (part for variant in self.all for chunk in variant.chunks for part in chunk)
        units = sum(len(variant.units) for variant in self.all)
        return 500 + 300 * units + sum(80 + 2 * len(raw(part)) for part in parts)


def key_of(node: Node) -> tuple[str, str, str]:
    """What variants depend on: where the text is written, and how."""
    draft = node.draft
    text, _ = text_of(list(_marked(node)))
    return (draft.id, draft.digest, text) if draft is not None else ("", "", text)


def variants_of(node: Node, strategies: Mapping[str, Strategy], tools: Tools, card: Card) -> Variants:
    """Every variant a component may have, weakest strategy first; one that changes nothing is left out."""
    as_is = as_it_is(node, tools.count)
    own = " ".join(raw(part.content) for part in node.own())
    found = [as_is]
    if card.limit != NEVER and own.strip():
        for strategy in _allowed(strategies, card):
            variant = _by(node, strategy, tools)
            if variant is not None and all(variant.chunks != other.chunks for other in found):
                found.append(variant)
    return Variants(tuple(found), tools.idf.sum(set(words(own))))


def as_it_is(node: Node, count: Callable[[str], int]) -> Variant:
    """The variant that changes nothing."""
    chunks = tuple(tuple(part.content for part in chunk) for chunk in node.chunks)
    return Variant(AS_IS, chunks, _tokens(chunks, count))


def _tokens(chunks: Sequence[Sequence[Content]], count: Callable[[str], int]) -> int | None:
    if any(isinstance(part, Slot) for chunk in chunks for part in chunk):
        return None
    return sum(count("".join(map(raw, chunk))) for chunk in chunks if chunk)


def _allowed(strategies: Mapping[str, Strategy], card: Card) -> Iterator[Strategy]:
    """The strategies up to the author's limit, in their order."""
    for strategy in strategies.values():
        if strategy.passes:
            yield strategy
        if strategy.name == card.limit:
            return


def _by(node: Node, strategy: Strategy, tools: Tools) -> Variant | None:
    """The variant by one strategy, or None if a mark did not survive, which no pass should do."""
    parts = list(_marked(node))
    text, offsets = text_of(parts)
    held = [index for index, part in enumerate(parts) if isinstance(part, Slot | _Mark)]
    pieces = [Piece("", (offsets[index], offsets[index + 1]), NEVER) for index in held]
    result = optimise(text, pieces, strategy, tools)
    placed = [(span, parts[index]) for span, index in zip(result.spans, held, strict=True)]
    if any(isinstance(part, _Mark) and result.text[slice(*span)] != part for span, part in placed):
        return None
    chunks = _cut(result.text, [(span, part) for span, part in placed if span[0] < span[1]])
    units = tuple(_units(node, result, text, tools))
    kept = min(result.quality.information.ratio, 1.0)
    return Variant(strategy.name, chunks, _tokens(chunks, tools.count), units, kept)


def _units(node: Node, result: Optimised, text: str, tools: Tools) -> Iterator[Unit]:
    own = Node(node.draft, [[Part(part, source) for part, source in _with_marks(node)]])
    ledger = Ledger.of(own)
    for removed in result.removed:
        for _, unit in units_of(removed, ledger, text, tools):
            yield unit


def _cut(text: str, placed: Sequence[tuple[tuple[int, int], Content]]) -> tuple[tuple[Content, ...], ...]:
    """The text cut into chunks at its marks, and inside them at its slots."""
    chunks: list[list[Content]] = [[]]
    position = 0
    for (start, end), part in [*placed, ((len(text), len(text)), "")]:
        if start > position:
            chunks[-1].append(text[position:start])
        position = end
        if isinstance(part, _Mark):
            chunks.append([])
        elif part:
            chunks[-1].append(part)
    return tuple(map(tuple, chunks))


# -- marks ----------------------------------------------------------------------------------------


class _Mark(str):
    """The text that stands for a child, its line ending included."""

    __slots__ = ()


def _marked(node: Node) -> Iterator[Content]:
    for content, _ in _with_marks(node):
        yield content


def _with_marks(node: Node) -> Iterator[Part]:
    for index, item in enumerate(node.items()):
        if isinstance(item, Node):
            high, low = divmod(index // 2, _PRIVATE_COUNT)
            yield Part(_Mark(chr(_PRIVATE + high) + chr(_PRIVATE + low) + item.ending()))
        else:
            yield from item
