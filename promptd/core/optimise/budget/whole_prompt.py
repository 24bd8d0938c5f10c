"""A whole prompt through one strategy: the text as written is optimised, values go in afterwards.

The strategy sees the text as its authors wrote it, with its placeholders, which no pass touches. So the
result is the same for every value of a variable: it is made once, a provider's prompt cache keeps hitting,
and nothing that a value contains decides what is removed.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from promptd.core.assembly.skeleton import Note, Skeleton
from promptd.core.optimise.budget.author_hints import NEVER, AuthorHints
from promptd.core.optimise.budget.ledger import Ledger, units_of
from promptd.core.optimise.budget.records import Fitted
from promptd.core.optimise.budget.tree import Content, Node, grow, text_of
from promptd.core.optimise.optimise import optimise
from promptd.core.optimise.records import Optimised, Piece
from promptd.core.optimise.strategies import Strategy
from promptd.core.optimise.tools import Tools
from promptd.core.syntax.slots import Slot
from promptd.protocol.records import RemovedUnit, Span


def apply_strategy(
    skeleton: Skeleton,
    strategy: Strategy,
    tools: Tools,
    hints: Mapping[str, AuthorHints],
    frozen: Sequence[Span] = (),
) -> Fitted:
    """Optimise a skeleton. Deterministic; its drafts say what was taken out of each piece.

    `frozen`: further spans of its text that stay as they are.
    """
    text, found = pieces(skeleton, hints)
    return fitted(skeleton, optimise(text, found, strategy, tools, frozen), strategy.name, tools)


def pieces(skeleton: Skeleton, hints: Mapping[str, AuthorHints]) -> tuple[str, list[Piece]]:
    """The written text of a skeleton and what it consists of: its entries, then its slots."""
    text, offsets = text_of(skeleton.parts)
    slots = [
        Piece("", (offsets[index], offsets[index + 1]), NEVER)
        for index, part in enumerate(skeleton.parts)
        if isinstance(part, Slot)
    ]
    entries = [
        Piece(
            draft.id,
            (offsets[draft.first], offsets[draft.last]),
            _limit(draft.reason, hints.get(draft.id)),
            is_entry=not draft.chain,
        )
        for draft in skeleton.drafts
    ]
    return text, [*entries, *slots]


def fitted(skeleton: Skeleton, result: Optimised, name: str, tools: Tools) -> Fitted:
    """What was made of the `pieces` of a skeleton, as a skeleton; `name` is that of the strategy."""
    written = [part for part in skeleton.parts if isinstance(part, Slot)]
    placed = zip(written, result.spans[len(skeleton.drafts) :], strict=True)
    made = _rebuilt(skeleton, result, [(span, slot) for slot, span in placed if span[0] < span[1]])
    _report(made, skeleton, result, name, tools)
    made.notes += [Note("skipped-pass", message, made.drafts[0].id, 0) for message in result.warnings]
    return Fitted(made, result.quality, result.skipped, result)


def _limit(reason: str, hint: AuthorHints | None) -> str | None:
    """References and other lines of our own stay as they are; a component as its author says."""
    return hint.limit if hint is not None and reason == "included" else NEVER


def _rebuilt(skeleton: Skeleton, result: Optimised, slots: Sequence[tuple[Span, Slot]]) -> Skeleton:
    """The optimised text cut at its slots and at the edges of its pieces."""
    spans = [_widened(result, index, skeleton) for index in range(len(skeleton.drafts))]
    cuts = sorted({0, len(result.text), *(at for span in spans for at in span)} | _edges(slots))
    parts = list(_parts(result.text, cuts, dict(slots)))
    drafts = [
        replace(draft, first=bisect_left(cuts, span[0]), last=bisect_left(cuts, span[1]))
        for draft, span in zip(skeleton.drafts, spans, strict=True)
    ]
    return Skeleton(parts, drafts, list(skeleton.notes), skeleton.variables)


def _edges(slots: Sequence[tuple[Span, Slot]]) -> set[int]:
    return {at for span, _ in slots for at in span}


def _widened(result: Optimised, index: int, skeleton: Skeleton) -> Span:
    """The span of a piece; a lone requested one is the whole text, inserted words at its edges included."""
    requested = [draft for draft in skeleton.drafts if not draft.chain]
    if len(requested) == 1 and requested[0] is skeleton.drafts[index]:
        return 0, len(result.text)
    return result.spans[index]


def _parts(text: str, cuts: Sequence[int], slots: Mapping[Span, Slot]) -> Iterator[Content]:
    for start, end in pairwise(cuts):
        yield slots.get((start, end)) or text[start:end]


# -- the report -----------------------------------------------------------------------------------


def _report(fitted: Skeleton, skeleton: Skeleton, result: Optimised, variant: str, tools: Tools) -> None:
    """Write what went into the drafts of the pieces it went from."""
    tree = grow(skeleton)
    ledger = Ledger.of(tree)
    nodes = [node for node in tree.walk() if node.draft is not None]
    units: dict[Node, list[RemovedUnit]] = {}
    text, _ = text_of(skeleton.parts)
    for removed in result.removed:
        for node, unit in units_of(removed, ledger, text, tools.count):
            units.setdefault(node, []).append(unit)
    for node, draft in zip(nodes, fitted.drafts, strict=True):
        draft.removed = tuple(units.get(node, ()))
        if draft.reason == "included":
            draft.variant = variant
            if draft.removed and not text_of(fitted.parts[draft.first : draft.last])[0].strip():
                is_repeat = all(unit.kind == "repeat" for unit in draft.removed)
                draft.reason = "deduplicated" if is_repeat else "dropped"
