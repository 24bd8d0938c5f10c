"""A whole prompt by its strategy: what was made of it before, or what has to be computed for it.

The text as written decides, so the outcome is made once for all values and held with the compiled prompt.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath

from promptd.core.assembly.cache_prefix import is_live
from promptd.core.assembly.skeleton import Skeleton
from promptd.core.library.library import Component
from promptd.core.optimise.budget.records import Fitted
from promptd.core.optimise.budget.whole_prompt import apply_strategy
from promptd.core.optimise.progressive.apply import apply_references
from promptd.core.optimise.progressive.sections import SourceFile
from promptd.engine.prompts.options import EffectiveOptions
from promptd.engine.prompts.shared import MAX_FITTED, CompiledPrompt, OptimiserState, Texts, Work


class WholePrompt:
    """One compiled prompt in one order. `known`: names that have values."""

    def __init__(
        self,
        optimiser: OptimiserState,
        compiled: CompiledPrompt,
        options: EffectiveOptions,
        known: set[str],
        ordered: tuple[Skeleton, bool],
    ) -> None:
        self.optimiser, self.compiled, self.strategy = optimiser, compiled, options.strategy
        self.known = known
        self.base, self.has_moved = ordered

    def __repr__(self) -> str:
        return f"<WholePrompt {self.base!r} by {self.strategy.name}>"

    def by_strategy(self) -> Fitted | Work:
        """By its passes."""
        tools, hints = self.optimiser.tools(), self.optimiser.author_hints(self.compiled)
        run = partial(apply_strategy, self.base, self.strategy, tools, hints)
        return self._held_or((self.strategy.name, self.has_moved), run)

    def by_references(self, over: int, texts: Mapping[str, str] | None) -> Fitted | Work | Texts:
        """With references, and then by its passes. `over`: tokens that are to be saved at least.

        Which variables have values counts, for what takes one is not referenced. The `texts` of its
        components by digest are needed if it was not made before.
        """
        key = (self.strategy.name, self.has_moved, over, *sorted(self.known))
        members = tuple(member for member in self.compiled.members if member.error is None)
        if texts is None or any(member.digest not in texts for member in members):
            return self._held(key) or Texts(members)
        live = partial(is_live, skeleton=self.base, known=self.known)
        tools, hints = self.optimiser.tools(), self.optimiser.author_hints(self.compiled)
        sources = dict(_sources(members, texts))
        run = partial(apply_references, self.base, self.strategy, tools, hints, sources, live, over)
        return self._held_or(key, run)

    def _held(self, key: object) -> Fitted | None:
        """What was made of the prompt before, if it still holds."""
        held = self.compiled.fitted.get(key)
        return held[1] if held is not None and held[0] == self.optimiser.version else None

    def _held_or(self, key: object, run: Callable[[], Fitted]) -> Fitted | Work:
        version, held, account = self.optimiser.version, self.compiled.fitted, self.optimiser.account

        def keep(outcome: Fitted) -> None:
            if len(held) >= MAX_FITTED:
                held.clear()
            held[key] = version, outcome
            for name in outcome.skipped:
                account.skipped(name)

        return self._held(key) or Work(run, keep)


def _sources(members: Sequence[Component], texts: Mapping[str, str]) -> Iterator[tuple[str, SourceFile]]:
    """Where what is referenced can be fetched, by id."""
    for member in members:
        parsed, name = member.parsed, PurePosixPath(member.id).stem
        yield (
            member.id,
            SourceFile(texts[member.digest], parsed.body_start, member.digest, member.description, name),
        )
