"""A budget for a prompt: one option for each piece, so that the sum fits and most of what matters stays.

The components asked for are never dropped, nor is what an author protects by `keep`, `optimise: never` or
`min_tokens`, nor anything that includes such a component. `options` says what the value of each option is,
`knapsack` makes the choice, `filling` spends what it leaves.

Tokens do not add up exactly where texts meet inside a line. So the text that was chosen is counted whole,
and as long as it does not fit it is chosen again with that much less capacity; the last resort is the
smallest. A prompt of titles alone is none: the smallest has the first text as well.
"""

from collections.abc import Mapping, Sequence

from promptd.core.assembly.skeleton import Skeleton
from promptd.core.optimise.budget.author_hints import AuthorHints
from promptd.core.optimise.budget.composing import Allocation, Composer, Picks, row_of
from promptd.core.optimise.budget.filling import CutterOf, Filling, cut_option, opened
from promptd.core.optimise.budget.knapsack import Choice, Item, Solution, smallest, solve
from promptd.core.optimise.budget.options import Count, Fill, Option, OptionGroup, VariantsOf, survey
from promptd.core.optimise.budget.records import Variants, as_it_is
from promptd.core.optimise.budget.text_units import has_text
from promptd.core.optimise.budget.tree import Node, grow, raw
from promptd.core.tokens.cost import TokenBudget
from promptd.errors import OverBudget
from promptd.protocol.records import AllocationRow

__all__ = ["Allocation", "allocate", "impossible", "untouched"]

MAX_REPAIRS = 8


def allocate(
    skeleton: Skeleton,
    author_hints: Mapping[str, AuthorHints],
    variants_of: VariantsOf,
    fill: Fill,
    count: Count,
    limit: TokenBudget,
    cutter_of: CutterOf | None = None,
) -> Allocation:
    """Choose what fits. Raises OverBudget that says the smallest budget that fits.

    `variants_of` may keep what it made, `fill` puts the values of the request into a skeleton. As long as
    everything fits as it is, nothing is touched. With `cutter_of` components are cut by unit until the budget
    is used up.
    """
    return _Budget(Composer(skeleton, fill, count), author_hints, variants_of, cutter_of).within(limit)


def untouched(
    skeleton: Skeleton, author_hints: Mapping[str, AuthorHints], fill: Fill, count: Count
) -> tuple[AllocationRow, ...]:
    """The account of a prompt that fits as it is."""

    def as_is(node: Node, _hints: AuthorHints) -> Variants:
        return Variants((as_it_is(node, count),), 0.0)

    groups = survey(grow(skeleton), skeleton, author_hints, as_is, fill, count)
    return tuple(row_of(group, group.options[0], None) for group in groups)


class _Budget:
    def __init__(
        self,
        composer: Composer,
        author_hints: Mapping[str, AuthorHints],
        variants_of: VariantsOf,
        cutter_of: CutterOf | None,
    ) -> None:
        self.composer, self.cutter_of = composer, cutter_of
        skeleton, fill, count = composer.skeleton, composer.fill, composer.count
        self.groups = survey(composer.root, skeleton, author_hints, variants_of, fill, count)
        self.items = [Item(group.size, tuple(map(_choice, group.options))) for group in self.groups]
        self.has_text = any(_says_something(group, group.options[0]) for group in self.groups)

    def within(self, limit: TokenBudget) -> Allocation:
        capacity = limit.capacity
        least = self.smallest()
        if least.tokens > capacity:
            raise impossible(least.tokens, limit, self.kept())
        picks, found = self.chosen(capacity) or (self.least, least)
        if self.cutter_of is None:
            return found
        return Filling(self.composer, self.groups, self.cutter_of, capacity).of(picks, found)

    def smallest(self) -> Allocation:
        """The smallest prompt there may be: one that says something, if the whole does."""
        self.least = self.options_of(smallest(self.items))
        if self.says_something(self.least):
            return self.composer.composed(self.groups, self.least)
        index = next(n for n, group in enumerate(self.groups) if _says_something(group, group.options[0]))
        self.least = self.with_first_text(index)
        return self.composer.composed(self.groups, self.least)

    def with_first_text(self, index: int) -> Picks:
        """The smallest picks with the first text of one piece, and so with all that it is in."""
        picks: list[Option | None] = list(self.least)
        group = self.groups[index]
        for above in range(index):
            if above + self.groups[above].size > index:
                opened(self.groups, picks, above, _smallest_own(self.groups[above]))
        own = [option for option in group.options if not option.is_final and _says_something(group, option)]
        if self.cutter_of is not None and group.hints.limit is None:
            own.append(cut_option(group, self.cutter_of(group.node, is_first=True), 0)[0])
        opened(self.groups, picks, index, min(own, key=lambda option: option.tokens))
        return picks

    def chosen(self, capacity: int) -> tuple[Picks, Allocation] | None:
        """The best choice that fits, unless it says nothing."""
        whole = self.composer.count(self.composer.fill(self.composer.skeleton).text)
        left = capacity - (whole - sum(group.tokens for group in self.groups))
        for _ in range(MAX_REPAIRS):
            solution = solve(self.items, left)
            if solution is None:
                return None
            picks = self.options_of(solution)
            found = self.composer.composed(self.groups, picks, solution.gap)
            if found.tokens <= capacity:
                return (picks, found) if self.says_something(picks) else None
            left -= found.tokens - capacity
        return None

    def options_of(self, solution: Solution) -> Picks:
        pairs = zip(self.groups, solution.picks, strict=True)
        return [group.options[pick] if pick is not None else None for group, pick in pairs]

    def says_something(self, picks: Picks) -> bool:
        """True if anything but titles is left, or there was nothing else."""
        if not self.has_text:
            return True
        pairs = zip(self.groups, picks, strict=True)
        return any(_says_something(group, option) for group, option in pairs if option is not None)

    def kept(self) -> Sequence[OptionGroup]:
        """The pieces that their authors want to keep."""
        return [group for group in self.groups if group.hints.is_kept and group.draft.reason == "included"]


def _choice(option: Option) -> Choice:
    return Choice(option.tokens, option.value, option.is_final)


def _smallest_own(group: OptionGroup) -> Option:
    return min((option for option in group.options if not option.is_final), key=lambda each: each.tokens)


def _says_something(group: OptionGroup, option: Option) -> bool:
    """True if a component's own text, as it is chosen, is more than titles."""
    if group.draft.reason != "included" or option.is_final:
        return False
    return has_text("\n".join("".join(map(raw, chunk)) for chunk in option.chunks))


def impossible(fewest: int, limit: TokenBudget, kept: Sequence[OptionGroup] = ()) -> OverBudget:
    """The refusal of a budget for a prompt that cannot have fewer than `fewest` tokens."""
    reserved = f" and {limit.reserve} are reserved for output" if limit.reserve else ""
    smallest_budget = fewest + limit.reserve
    sentence = (
        f"budget too small: the prompt needs at least {fewest} tokens{reserved}; the smallest budget that"
        f" fits is {smallest_budget}, not {limit.budget}"
    )
    may_not_go = list(dict.fromkeys(_kept_sentence(group) for group in kept))
    if may_not_go:
        sentence += f". {'; '.join(may_not_go)}"
    details = {"kept": [each.partition(":")[0] for each in may_not_go]} if may_not_go else {}
    return OverBudget(
        sentence, budget=limit.budget, reserve=limit.reserve, smallest=smallest_budget, **details
    )


def _kept_sentence(group: OptionGroup) -> str:
    included = f", included at {group.draft.chain[-1]}" if group.draft.chain else ""
    return f"{group.draft.id}:1 ({group.tokens} tokens{included}) says `keep: true`: it is not dropped"
