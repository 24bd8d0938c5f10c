"""A budget for one prompt, computed in any thread: variants, the choice, and what the result kept.

It reads the kept variants and changes nothing but itself; the builder keeps the fresh ones afterwards.
"""

from collections.abc import Mapping

from promptd.core.assembly.skeleton import Note, Skeleton
from promptd.core.optimise.budget.allocate import Allocation, allocate
from promptd.core.optimise.budget.author_hints import AuthorHints
from promptd.core.optimise.budget.options import Fill
from promptd.core.optimise.budget.records import Variants
from promptd.core.optimise.budget.tree import Node, text_of
from promptd.core.optimise.budget.variants import key_of, variants_of
from promptd.core.optimise.quality import compare, inventory
from promptd.core.optimise.records import Quality
from promptd.core.tokens.cost import TokenBudget
from promptd.engine.prompts.shared import OptimiserState
from promptd.errors import OverBudget


class BudgetRun:
    """One allocation, or the refusal that says the smallest budget that fits."""

    def __init__(
        self,
        base: Skeleton,
        author_hints: Mapping[str, AuthorHints],
        fill: Fill,
        limit: TokenBudget,
        optimiser: OptimiserState,
    ) -> None:
        self.base, self.author_hints, self.fill, self.limit = base, author_hints, fill, limit
        self.version = optimiser.version
        self.tools = optimiser.tools()
        self.fresh: dict[object, Variants] = {}
        self.skipped: dict[tuple[str, str], str] = {}  # (component, pass that raised for it): what is said
        self.refusal: OverBudget | None = None
        self.quality: Quality
        self._kept = optimiser.variants
        self._found: Allocation | None = None

    def __repr__(self) -> str:
        return f"<BudgetRun {self.limit}, {self._found or self.refusal or 'not yet'}>"

    def is_of(self, base: Skeleton, version: int) -> bool:
        """True if it was made for this very skeleton and the present idf."""
        return self.base is base and self.version == version

    def found(self) -> Allocation:
        """The allocation, once it was run and not refused."""
        assert self._found is not None
        return self._found

    def run(self) -> "BudgetRun":
        """Compute."""
        count = self.tools.count
        try:
            self._found = allocate(self.base, self.author_hints, self.variants, self.fill, count, self.limit)
        except OverBudget as refusal:
            self.refusal = refusal
            return self
        self._found.skeleton.notes += [
            Note("skipped-pass", message, id, 0) for (id, _), message in self.skipped.items()
        ]
        source, _ = text_of(self.base.parts)
        result, _ = text_of(self._found.skeleton.parts)
        self.quality = compare(inventory(source), inventory(result), self.tools.idf)
        return self

    def variants(self, node: Node, hints: AuthorHints) -> Variants:
        """The variants of one component: kept, or made now."""
        key = (key_of(node), hints.limit)
        found = self._kept.peek(key) or self.fresh.get(key)
        if found is None:
            found = self.fresh[key] = variants_of(node, self.tools.strategies, self.tools, hints)
        for name, message in found.skipped.items():
            self.skipped[node.draft.id if node.draft is not None else "", name] = message
        return found
