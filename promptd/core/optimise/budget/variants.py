"""The variants of one component: as it is, by each strategy, folded and cut, of its own text alone.

What a component includes is not looked at: a mark stands in the place of each child. So a variant depends on
the component alone and can be kept for every prompt it stands in. Values go in afterwards, as everywhere.
"""

from collections.abc import Iterator, Mapping

from promptd.core.optimise.budget.author_hints import NEVER, AuthorHints
from promptd.core.optimise.budget.cut import TextCutter
from promptd.core.optimise.budget.folded import folded
from promptd.core.optimise.budget.ledger import units_of
from promptd.core.optimise.budget.own_text import Mark, OwnText, cut
from promptd.core.optimise.budget.records import FOLDED, Variant, Variants, as_it_is, tokens_of
from promptd.core.optimise.budget.tree import Node
from promptd.core.optimise.optimise import optimise
from promptd.core.optimise.records import Piece
from promptd.core.optimise.strategies import Strategy
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.words import words

CUTS = (0.5, 0.25)  # shares of the tokens of a component
CUTS_OF_FIRST = (0.75, 0.5, 0.25, 0.0)  # the last is the title and the first text
MIN_TOKENS = 80  # of a component that is worth cutting


def key_of(node: Node) -> tuple[object, ...]:
    """What variants depend on: where the text is written, how, and whether it may be left out."""
    draft = node.draft
    return (draft.id, draft.digest, not draft.chain, OwnText(node).text) if draft is not None else ()


def variants_of(node: Node, strategies: Mapping[str, Strategy], tools: Tools, hints: AuthorHints) -> Variants:
    """Every variant a component may have, weakest first; one that changes nothing is left out.

    One that was asked for, and so is never dropped, has folded variants too.
    """
    own_text = OwnText(node)
    found = [as_it_is(node, tools.count)]
    skipped: dict[str, str] = {}
    if hints.limit != NEVER and own_text.text.strip():
        for variant in _made(own_text, _allowed(strategies, hints), tools, hints, skipped):
            if all(variant.chunks != other.chunks for other in found):
                found.append(variant)
    return Variants(tuple(found), tools.idf.sum(set(words(own_text.text))), skipped)


def _made(
    own_text: OwnText,
    strategies: Iterator[Strategy],
    tools: Tools,
    hints: AuthorHints,
    skipped: dict[str, str],
) -> Iterator[Variant]:
    for strategy in strategies:
        variant = _by(own_text, strategy, tools, skipped)
        if variant is not None:
            yield variant
    if own_text.node.draft is not None and not own_text.node.draft.chain and hints.limit is None:
        for each in folded(own_text, tools):
            yield Variant(FOLDED, each.chunks, tokens_of(each.chunks, tools.count), each.units, each.kept)
    if hints.limit is None:
        yield from _cuts(own_text, tools)


def _cuts(own_text: OwnText, tools: Tools) -> Iterator[Variant]:
    """Some cuts by unit; the smallest of a component that was asked for is its title and first text."""
    draft = own_text.node.draft
    is_first = draft is not None and not draft.chain
    tokens = tools.count(own_text.text)
    if is_first or tokens >= MIN_TOKENS:
        cutter = TextCutter(own_text, tools, is_first=is_first)
        for share in CUTS_OF_FIRST if is_first else CUTS:
            variant, _ = cutter.to(int(share * tokens))
            if variant.kept:
                yield variant


def _allowed(strategies: Mapping[str, Strategy], hints: AuthorHints) -> Iterator[Strategy]:
    """The strategies up to the author's limit, in their order; a limit without passes allows none."""
    limit = strategies.get(hints.limit or "")
    for strategy in strategies.values():
        if strategy.passes and (limit is None or limit.passes):
            yield strategy
        if strategy.name == hints.limit:
            return


def _by(own_text: OwnText, strategy: Strategy, tools: Tools, skipped: dict[str, str]) -> Variant | None:
    """The variant by one strategy, or None if a mark did not survive, which no pass should do."""
    pieces = [Piece("child" if isinstance(part, Mark) else "", span, NEVER) for span, part in own_text.held]
    draft = own_text.node.draft
    whole = Piece("", (0, len(own_text.text)), is_entry=draft is not None and not draft.chain)
    result = optimise(own_text.text, [*pieces, whole], strategy, tools)
    skipped.update(zip(result.skipped, result.warnings, strict=True))
    placed = [(span, part) for span, (_, part) in zip(result.spans[:-1], own_text.held, strict=True)]
    if any(isinstance(part, Mark) and result.text[slice(*span)] != part for span, part in placed):
        return None
    chunks = cut(result.text, [(span, part) for span, part in placed if span[0] < span[1]])
    units = (
        unit
        for removed in result.removed
        for _, unit in units_of(removed, own_text.ledger, own_text.text, tools.count)
    )
    kept = min(result.quality.information.ratio, 1.0)
    return Variant(strategy.name, chunks, tokens_of(chunks, tools.count), tuple(units), kept)
