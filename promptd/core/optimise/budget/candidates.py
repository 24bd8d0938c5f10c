"""A whole prompt that fits a budget by one strategy, with as much taken back as there is room for.

The strategies over the whole come before the choice of variants for each component: they see what components
repeat of one another, and nothing has to be left out. Of those that fit the weakest wins, then one that a
configuration adds if it keeps more instructions, or as many and more literals, or as many and more
information. The strongest there is, `cut`, is `aggressive` without its aims: it removes every unit that is
not protected. Taking back (`undo`) only adds text, so that the result keeps at least what the strategy kept.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from promptd.core.assembly.fill import Filled
from promptd.core.assembly.skeleton import Skeleton
from promptd.core.optimise.budget.author_hints import DEFAULT_PRIORITY, LOSSLESS, AuthorHints
from promptd.core.optimise.budget.bundles import Bundle
from promptd.core.optimise.budget.composing import Blocked
from promptd.core.optimise.budget.ledger import Ledger
from promptd.core.optimise.budget.options import ENTRY, Fill
from promptd.core.optimise.budget.records import CUT, Fitted
from promptd.core.optimise.budget.text_units import has_text
from promptd.core.optimise.budget.tree import grow, text_of
from promptd.core.optimise.budget.undo import Undo
from promptd.core.optimise.budget.whole_prompt import apply_strategy, fitted, pieces
from promptd.core.optimise.records import Quality
from promptd.core.optimise.strategies import STRATEGIES, Strategy
from promptd.core.optimise.tools import Tools

MAX_CHARS = 300_000  # of a written prompt; four strategies over it take about three seconds
MAX_REPAIRS = 6
TOP_PRIORITY = 1.0  # the end of the scale from 0 to 1
MAX_EXCLUDED = 3  # bundles that lower a figure when they are taken back
NEAR = 1.05  # where `cut` has at most so much more than the capacity, another may fit all the same


@dataclass(frozen=True, slots=True)
class WholeChoice:
    """A whole prompt by one strategy, with values, counted."""

    name: str
    fitted: Fitted
    filled: Filled
    tokens: int
    blocked: Blocked | None = None

    @property
    def rank(self) -> tuple[float, float, float, float]:
        """What it keeps: of two candidates the one with the higher rank wins."""
        quality: Quality = self.fitted.quality
        figures = (quality.instructions, quality.literals, quality.information, quality.structure)
        first, second, third, fourth = (figure.ratio for figure in figures)
        return first, second, third, fourth


class WholePrompts:
    """The candidates of one prompt. By name, `held` are results of requests before, `fresh` of this."""

    def __init__(
        self,
        base: Skeleton,
        hints: Mapping[str, AuthorHints],
        tools: Tools,
        fill: Fill,
        capacity: int,
        held: Mapping[str, Fitted],
    ) -> None:
        self.base, self.hints, self.tools, self.fill = base, hints, tools, fill
        self.capacity = capacity
        self.held, self.fresh = held, dict[str, Fitted]()
        self.text, self.pieces = pieces(base, hints)
        self.is_too_long = len(self.text) > MAX_CHARS
        self.smallest: int | None = None  # tokens of the smallest that was tried

    def __repr__(self) -> str:
        return f"<WholePrompts within {self.capacity} tokens>"

    def best(self) -> WholeChoice | None:
        """The best whole prompt that fits, filled up; None if none fits."""
        fitting = list(self.fitting())
        if not fitting:
            return None
        return self.filled_up(max(fitting, key=lambda each: each.rank))

    def fitting(self) -> Iterator[WholeChoice]:
        """The weakest shipped strategy that fits, and all others of the configuration that do."""
        strategies = self.tools.strategies
        own = [
            each
            for each in strategies.values()
            if each.passes and not each.has_references and each.name not in STRATEGIES
        ]
        shipped = [strategies[name] for name in STRATEGIES if strategies[name].passes]
        strongest = self.made(_without_aims(strategies["aggressive"]))
        if strongest is None or strongest.tokens > NEAR * self.capacity:
            shipped = [each for each in shipped if each.name in self.held] if self.is_too_long else []
        for each in shipped:
            candidate = self.made(each)
            if candidate is not None and self.fits(candidate):
                yield candidate
                break
        else:
            if strongest is not None and self.fits(strongest):
                yield strongest
        yield from (made for each in own if (made := self.made(each)) is not None and self.fits(made))

    def made(self, strategy: Strategy) -> WholeChoice | None:
        """A prompt through a strategy; None if it is too long and was not made before."""
        name = strategy.name
        found = self.held.get(name) or self.fresh.get(name)
        if found is None:
            if self.is_too_long:
                return None
            hints = _guarded(self.hints) if name == CUT else self.hints
            found = self.fresh[name] = apply_strategy(self.base, strategy, self.tools, hints)
        candidate = self.counted(name, found)
        if self.says_something(candidate):
            self.smallest = min(candidate.tokens, self.smallest or candidate.tokens)
        return candidate

    def counted(self, name: str, found: Fitted) -> WholeChoice:
        """A result with values."""
        filled = self.fill(found.skeleton)
        return WholeChoice(name, found, filled, self.tools.count(filled.text))

    def fits(self, candidate: WholeChoice) -> bool:
        """True if it is within the capacity, and a prompt at all."""
        return candidate.tokens <= self.capacity and self.says_something(candidate)

    def says_something(self, candidate: WholeChoice) -> bool:
        """True unless a strategy left nothing but titles of a prompt that had more."""
        return has_text(text_of(candidate.fitted.skeleton.parts)[0]) or not has_text(self.text)

    # -- filling up ---------------------------------------------------------------------------

    def filled_up(self, base: WholeChoice) -> WholeChoice:
        """A candidate with so much taken back that the capacity is used.

        Text that comes back may change how its neighbours are read, if seldom. What lowers a figure so is
        found by bisection, and left out.
        """
        undo, never = self.undo(base), set[Bundle]()
        for _ in range(MAX_EXCLUDED + 1):
            undone, found, too_large = self.undone(base, undo, never)
            if _is_at_least(found, base):
                return replace(found, blocked=self.blocked(undo, too_large, undone))
            never.add(undone[self.first_bad(base, undo, undone)])
        return replace(base, blocked=self.blocked(undo, too_large, ()))

    def undone(
        self, base: WholeChoice, undo: Undo, never: Container[Bundle]
    ) -> tuple[Sequence[Bundle], WholeChoice, Bundle | None]:
        """What is taken back to use the capacity, what that makes, and the first that was too large."""
        spare = self.capacity - base.tokens
        written = base.fitted.result.tokens if base.fitted.result is not None else 0
        room = spare
        for _ in range(MAX_REPAIRS):
            undone, too_large = undo.within(room, never)
            more = undo.tokens(undone) - written
            if more <= spare:
                found = self.without(base, undo, undone)
                if found.tokens <= self.capacity:
                    return undone, found, too_large
                more = found.tokens - base.tokens
            room -= more - spare
        return (), base, too_large

    def without(self, base: WholeChoice, undo: Undo, undone: Sequence[Bundle]) -> WholeChoice:
        """A candidate with these bundles taken back."""
        return self.counted(base.name, fitted(self.base, undo.without(undone), base.name, self.tools))

    def first_bad(self, base: WholeChoice, undo: Undo, undone: Sequence[Bundle]) -> int:
        """The index of the first bundle that lowers a figure when it is taken back after those before."""
        good, bad = 0, len(undone)
        while bad - good > 1:
            middle = (good + bad) // 2
            if _is_at_least(self.without(base, undo, undone[:middle]), base):
                good = middle
            else:
                bad = middle
        return bad - 1

    def undo(self, base: WholeChoice) -> Undo:
        """What can be taken back of a candidate."""
        found = base.fitted.undo
        if not isinstance(found, Undo):
            assert base.fitted.result is not None
            weights = {id: each.priority / DEFAULT_PRIORITY for id, each in self.hints.items()}
            for draft in self.base.drafts:
                if not draft.chain:
                    weights[draft.id] = ENTRY * weights.get(draft.id, 1.0)
            found = Undo(self.text, self.pieces, base.fitted.result, self.tools, weights)
            self.fresh[base.name] = replace(base.fitted, undo=found)
        return found

    def blocked(self, undo: Undo, bundle: Bundle | None, undone: Sequence[Bundle]) -> Blocked | None:
        """What was too large beside what is taken back, as it is shown."""
        if bundle is None:
            return None
        written = next(Ledger.of(grow(self.base)).spans(bundle.start, bundle.patches[-1].end), None)
        if written is None:
            return None
        what = "unit" if bundle.patches[0].is_unit else "layout"
        more = undo.comes_with(bundle, undone)
        return Blocked(what, bundle.cost, written.id, written.span[0], max(more, 0))


def _without_aims(strategy: Strategy) -> Strategy:
    aims = msgspec.structs.replace(strategy.aims, reduction=1.0, information=0.0)
    return msgspec.structs.replace(strategy, name=CUT, aims=aims)


def _guarded(hints: Mapping[str, AuthorHints]) -> Mapping[str, AuthorHints]:
    """What a cut of the whole leaves: a component of top priority, and one with `min_tokens`.

    Of the latter nobody knows beforehand how much would go.
    """
    return {id: replace(each, limit=LOSSLESS) if _is_guarded(each) else each for id, each in hints.items()}


def _is_guarded(hints: AuthorHints) -> bool:
    return hints.limit is None and (hints.min_tokens > 0 or hints.priority >= TOP_PRIORITY)


def _is_at_least(one: WholeChoice, other: WholeChoice) -> bool:
    """True if no figure of one is below that of the other."""
    return all(a >= b - 1e-12 for a, b in zip(one.rank, other.rank, strict=True))
