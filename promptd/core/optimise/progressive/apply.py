"""A whole prompt by a strategy that references: first the references, then its passes over what is left."""

from collections.abc import Callable, Mapping

from promptd.core.assembly.skeleton import Skeleton
from promptd.core.optimise.budget.author_hints import AuthorHints
from promptd.core.optimise.budget.records import Fitted
from promptd.core.optimise.budget.tree import raw, text_of
from promptd.core.optimise.budget.whole_prompt import apply_strategy
from promptd.core.optimise.progressive.refer import ReferenceLine, refer
from promptd.core.optimise.progressive.sections import SourceFile
from promptd.core.optimise.quality import compare, inventory
from promptd.core.optimise.strategies import Strategy
from promptd.core.optimise.tools import Tools
from promptd.core.syntax.slots import Slot


def apply_references(
    skeleton: Skeleton,
    strategy: Strategy,
    tools: Tools,
    hints: Mapping[str, AuthorHints],
    sources: Mapping[str, SourceFile],
    is_live: Callable[[Slot], bool],
    over: int = 0,
) -> Fitted:
    """Reference, then optimise. `over`: tokens that are to be saved at least, whatever the target says."""
    referred = refer(skeleton, strategy, tools, hints, sources, is_live, over)
    found: Skeleton = referred.skeleton
    skipped: tuple[str, ...] = ()
    text, offsets = text_of(found.parts)
    lines = [at for at, part in enumerate(found.parts) if isinstance(part, ReferenceLine)]
    if strategy.passes:
        frozen = [(offsets[at], offsets[at + 1]) for at in lines]
        optimised = apply_strategy(found, strategy, tools, hints, frozen)
        for before, after in zip(found.drafts, optimised.skeleton.drafts, strict=True):
            after.removed = (*before.removed, *after.removed)
        found, skipped = optimised.skeleton, optimised.skipped
        text, _ = text_of(found.parts)
    for at in lines:  # what a reference says about a text does not count as kept
        line = raw(referred.skeleton.parts[at]).strip()
        text = text.replace(line, "", 1) if line else text
    quality = compare(inventory(text_of(skeleton.parts)[0]), inventory(text), tools.idf)
    return Fitted(
        found, quality, skipped, references=referred.references, tokens_fetched=referred.tokens_fetched
    )
