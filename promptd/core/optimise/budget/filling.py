"""Filling up: what a choice leaves of a budget goes to the components that were shortened, unit by unit.

A choice takes whole variants, so that it may leave much. Here the component that tells most for its tokens
is cut to what is left, another one after it, until next to nothing is. A reference stays below the part of
a component that is put back above it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from promptd.core.optimise.budget.composing import Allocation, Blocked, Composer, Picks
from promptd.core.optimise.budget.cut import TextCutter, TooLarge
from promptd.core.optimise.budget.options import MILLINATS, RANKS, Option, OptionGroup
from promptd.core.optimise.budget.records import AS_IS, CUT, DROPPED, REFERENCE
from promptd.core.optimise.budget.tree import Node

MAX_TRIES = 24  # cuts for one prompt: each composes and counts it, so that this bounds the time
MAX_REPAIRS = 3
ENOUGH = 0.98  # a budget that is used so far is used up


class CutterOf(Protocol):
    """Gives the cutter of a component's own text. `is_first`: its title and first text must stay."""

    def __call__(self, node: Node, *, is_first: bool) -> TextCutter:
        """The cutter of a piece."""


class Filling:
    """Spends what one choice left."""

    def __init__(
        self, composer: Composer, groups: Sequence[OptionGroup], cutter_of: CutterOf, capacity: int
    ) -> None:
        self.composer, self.groups, self.cutter_of = composer, groups, cutter_of
        self.capacity = capacity
        self.tries = 0
        self.blocked: Blocked | None = None

    def of(self, picks: Picks, found: Allocation) -> Allocation:
        """The prompt with as much of the budget used as can be."""
        while found.tokens < ENOUGH * self.capacity and self.tries < MAX_TRIES:
            self.blocked = None
            better = next(self.better(picks, found), None)
            if better is None:
                return replace(found, blocked=self.blocked or self.whole_ones(picks))
            picks, found = better
        return found

    def better(self, picks: Picks, found: Allocation) -> Iterator[tuple[Picks, Allocation]]:
        """Every choice that is better by one component, the most promising first."""
        for index in sorted(self.open(picks), key=lambda index: self.promise(index, picks)):
            if self.tries >= MAX_TRIES:
                return
            grown = self.grown(index, picks, found)
            if grown is not None:
                yield grown

    def open(self, picks: Picks) -> Iterator[int]:
        """The pieces of which more may be said."""
        for index, (group, option) in enumerate(zip(self.groups, picks, strict=True)):
            is_cuttable = group.draft.reason == "included" and group.hints.limit is None
            if option is not None and option.name != AS_IS and is_cuttable and group.idf:
                yield index

    def promise(self, index: int, picks: Picks) -> float:
        """Minus the information per token that a piece lacks."""
        group, option = self.groups[index], picks[index]
        assert option is not None
        missing = group.tokens - (0 if option.is_final else option.tokens)
        return -group.idf * (1 - option.kept) / max(missing, 1)

    def grown(self, index: int, picks: Picks, found: Allocation) -> tuple[Picks, Allocation] | None:
        """A choice with more of one piece, if that fits and says at least as much."""
        group, option = self.groups[index], picks[index]
        assert option is not None
        cutter = self.cutter_of(group.node, is_first=not group.draft.chain)
        target = self.capacity - found.tokens + (0 if option.is_final else option.tokens)
        for _ in range(MAX_REPAIRS):
            self.tries += 1
            cut, too_large = cut_option(group, cutter, target, option if option.name == REFERENCE else None)
            self.note(group, cutter, too_large)
            if not cut.kept or cut.kept < option.kept:
                return None
            fresh = list(picks)
            opened(self.groups, fresh, index, cut)
            grown = self.composer.composed(self.groups, fresh, found.gap)
            if found.tokens < grown.tokens <= self.capacity:
                return fresh, grown
            if grown.tokens <= found.tokens:
                return None
            target -= grown.tokens - self.capacity
        return None

    def note(self, group: OptionGroup, cutter: TextCutter, too_large: TooLarge | None) -> None:
        """Remember the first unit that was too large."""
        if too_large is None or self.blocked is not None:
            return
        unit = too_large.unit
        written = next(cutter.own_text.ledger.spans(*unit.spans[0]), None)
        if written is not None:
            more = too_large.tokens - unit.tokens
            self.blocked = Blocked(unit.block.kind, unit.tokens, written.id, written.span[0], more)

    def whole_ones(self, picks: Picks) -> Blocked | None:
        """The first component that is left out and may not be cut."""
        for group, option in zip(self.groups, picks, strict=True):
            if option is not None and option.name != AS_IS and group.draft.reason == "included":
                source = next((part.source for part in group.node.own_parts() if part.source), None)
                offset = source.start if source is not None else 0
                return Blocked("component", group.tokens, group.draft.id, offset)
        return None


def cut_option(
    group: OptionGroup, cutter: TextCutter, tokens: int, reference: Option | None = None
) -> tuple[Option, TooLarge | None]:
    """The option of a component cut to so many tokens, and the first unit that was too large.

    A `reference` that stands for it now stays as its last line.
    """
    variant, too_large = cutter.to(tokens)
    measured = variant.tokens
    if measured is None:  # no unit with a value is ever cut
        measured = max(group.tokens - sum(unit.tokens for unit in variant.units), 0)
    chunks = variant.chunks
    if reference is not None:
        chunks = (*chunks[:-1], (*chunks[-1], *reference.chunks[0]))
        measured += reference.tokens
    value = round(group.idf * variant.kept * MILLINATS) * RANKS
    return Option(CUT, measured, value, variant.kept, chunks, variant.units), too_large


def opened(groups: Sequence[OptionGroup], picks: list[Option | None], index: int, option: Option) -> None:
    """Give a piece one of its own options; what a final one replaced below is dropped piece by piece."""
    was = picks[index]
    picks[index] = option
    if was is not None and not was.is_final:
        return
    at = index + 1
    while at < index + groups[index].size:
        picks[at] = next(each for each in groups[at].options if each.name == DROPPED)
        at += groups[at].size
