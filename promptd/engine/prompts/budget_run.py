"""A budget for one prompt, computed in any thread: the whole by a strategy, or a variant for each component.

It reads what was kept before and changes nothing but itself; the builder keeps what is fresh afterwards.
"""

from collections.abc import Mapping

from promptd.core.assembly.skeleton import Note, Skeleton
from promptd.core.optimise.budget.allocate import Allocation, allocate
from promptd.core.optimise.budget.author_hints import AuthorHints
from promptd.core.optimise.budget.candidates import WholeChoice, WholePrompts
from promptd.core.optimise.budget.composing import Blocked
from promptd.core.optimise.budget.cut import TextCutter
from promptd.core.optimise.budget.options import Fill
from promptd.core.optimise.budget.own_text import OwnText
from promptd.core.optimise.budget.records import CUT, Fitted, Variants
from promptd.core.optimise.budget.tree import Node, text_of
from promptd.core.optimise.budget.variants import key_of, variants_of
from promptd.core.optimise.quality import compare, inventory
from promptd.core.optimise.records import Quality
from promptd.core.tokens.cost import TokenBudget
from promptd.engine.prompts.shared import OptimiserState
from promptd.errors import OverBudget


class BudgetRun:
    """What fits, or the refusal that says the smallest budget that does.

    `held` are whole prompts by their strategies that were made before.
    """

    def __init__(
        self,
        base: Skeleton,
        author_hints: Mapping[str, AuthorHints],
        fill: Fill,
        limit: TokenBudget,
        optimiser: OptimiserState,
        held: Mapping[str, Fitted],
    ) -> None:
        self.limit, self.version = limit, optimiser.version
        self.candidates = WholePrompts(base, author_hints, optimiser.tools(), fill, limit.capacity, held)
        self.fresh: dict[object, Variants] = {}
        self.skipped: dict[tuple[str, str], str] = {}  # (component, pass that raised for it): what is said
        self.refusal: OverBudget | None = None
        self.quality: Quality
        self.whole: WholeChoice | None = None
        self._kept = optimiser.variants
        self._cutters: dict[tuple[int, bool], TextCutter] = {}
        self._found: Allocation | None = None

    def __repr__(self) -> str:
        return f"<BudgetRun {self.limit}, {self.whole or self._found or self.refusal or 'not yet'}>"

    def is_of(self, base: Skeleton, version: int) -> bool:
        """True if it was made for this very skeleton and the present idf."""
        return self.candidates.base is base and self.version == version

    def found(self) -> Allocation:
        """The allocation, once it was run and neither refused nor made whole."""
        assert self._found is not None
        return self._found

    @property
    def skeleton(self) -> Skeleton:
        """What fits."""
        return self.whole.fitted.skeleton if self.whole is not None else self.found().skeleton

    @property
    def tokens(self) -> int:
        """Its tokens, with values."""
        return self.whole.tokens if self.whole is not None else self.found().tokens

    @property
    def untried_chars(self) -> int:
        """How long the prompt is, if it is too long for strategies over the whole; else 0."""
        return len(self.candidates.text) if self.candidates.is_too_long else 0

    @property
    def blocked(self) -> Blocked | None:
        """What was too large for the tokens that are left over."""
        return self.whole.blocked if self.whole is not None else self.found().blocked

    def run(self) -> "BudgetRun":
        """Compute."""
        self.whole = self.candidates.best()
        if self.whole is not None:
            self.quality = self.whole.fitted.quality
            if self.whole.name != CUT or self.limit.is_used_up(self.whole.tokens):
                return self
        try:
            self.take(self.allocated())
        except OverBudget as refusal:
            self.refusal = refusal if self.whole is None else None
        return self

    def allocated(self) -> Allocation:
        """A variant for each component. Raises OverBudget."""
        base, tools = self.candidates.base, self.candidates.tools
        hints, fill = self.candidates.hints, self.candidates.fill
        return allocate(base, hints, self.variants, fill, tools.count, self.limit, self.cutter)

    def take(self, found: Allocation) -> None:
        """The allocation is the answer, unless a whole prompt that uses less still keeps more."""
        tools = self.candidates.tools
        result, _ = text_of(found.skeleton.parts)
        quality = compare(inventory(self.candidates.text), inventory(result), tools.idf)
        if self.whole is not None and _kept(self.quality) >= _kept(quality):
            return
        self._found, self.quality, self.whole = found, quality, None
        notes = [Note("skipped-pass", message, id, 0) for (id, _), message in self.skipped.items()]
        found.skeleton.notes += notes

    def variants(self, node: Node, hints: AuthorHints) -> Variants:
        """The variants of one component: kept, or made now."""
        is_too_long = self.candidates.is_too_long
        key = (key_of(node), hints.limit, is_too_long)
        found = self._kept.peek(key) or self.fresh.get(key)
        if found is None:
            strategies = self.candidates.tools.strategies if not is_too_long else {}
            found = self.fresh[key] = variants_of(node, strategies, self.candidates.tools, hints)
        for name, message in found.skipped.items():
            self.skipped[node.draft.id if node.draft is not None else "", name] = message
        return found

    def cutter(self, node: Node, *, is_first: bool) -> TextCutter:
        """The cutter of one component, made once."""
        key = (id(node), is_first)
        if key not in self._cutters:
            self._cutters[key] = TextCutter(OwnText(node), self.candidates.tools, is_first=is_first)
        return self._cutters[key]


def _kept(quality: Quality) -> float:
    """The sum of what decides between two results: instructions, literals, information."""
    return quality.instructions.ratio + quality.literals.ratio + quality.information.ratio
