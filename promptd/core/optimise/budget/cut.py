"""A component's own text cut to a number of tokens, unit by unit: what tells most for its tokens stays.

Units are sentences, items, rows of tables, lines of quotations, and code as a whole. The text is built up: of
a prompt's first component the title, the first text and the lines with its arguments, of any what its author
marks to be kept; then the unit that adds most information per token, until no other fits. Instructions count
threefold, literals double, places of values fourfold. A unit brings along what it hangs on: its heading,
tags, lead-in, the head of its table and the item it is part of, what stands before it in its paragraph, and
the items before it in a numbered list, so that numbers have no gaps. The place of an included component
stays whatever is cut around it.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from promptd.core.optimise.budget.own_text import Chunks, Mark, OwnText, cut
from promptd.core.optimise.budget.records import CUT, Variant, tokens_of
from promptd.core.optimise.budget.text_units import TextUnit, text_units
from promptd.core.optimise.budget.tree import Content
from promptd.core.optimise.edits import joined
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.words import words
from promptd.core.syntax.slots import Slot
from promptd.protocol.records import RemovedUnit, Span

AHEAD = 16  # units of text that one may bring along
SAID_AGAIN = 0.02  # how much words count that are there already
REASON = "least information per token, to fit the budget"


class TooLarge(NamedTuple):
    """A unit for which there was no room, and its tokens with what it hangs on and is not there."""

    unit: TextUnit
    tokens: int


class TextCutter:
    """One component's own text, read once and cut as often as one likes."""

    def __init__(self, own_text: OwnText, tools: Tools, *, is_first: bool) -> None:
        self.own_text, self.tools = own_text, tools
        slots = [span[0] for span, part in own_text.held if isinstance(part, Slot)]
        self.units = text_units(own_text.text, slots, tools.count)
        for unit in self.units:
            unit.information = tools.idf.sum(unit.words)
        self.information = tools.idf.sum(set(words(own_text.text)))
        if is_first:
            _keep_the_beginning(self.units)
            self._keep_arguments()

    def __repr__(self) -> str:
        return f"<TextCutter of {len(self.units)} units>"

    def _keep_arguments(self) -> None:
        """What the user types stays in a prompt, where it stands in a sentence and not in code."""
        for span, part in self.own_text.held:
            if isinstance(part, Slot) and part.kind == "argument":
                unit = next((each for each in self.units if each.holds(span[0])), None)
                if unit is not None and unit.block.kind != "code":
                    unit.must_stay = True

    def to(self, tokens: int) -> tuple[Variant, TooLarge | None]:
        """The variant of about so many tokens, or the smallest; and the first unit that was too large.

        Where what must stay is larger than that, it is the largest of it.
        """
        chosen = _CutChoice(self.units, self.tools)
        too_large = chosen.fill(tokens)
        spans = joined(sorted(span for unit in self.units if unit not in chosen.units for span in unit.spans))
        gone = [span for span in map(self._with_line_end, spans) if span[0] < span[1]]
        chunks = self._chunks(gone)
        left = {word for unit in chosen.units for word in unit.words}
        kept = self.tools.idf.sum(left) / self.information if self.information else 1.0
        variant = Variant(CUT, chunks, tokens_of(chunks, self.tools.count), tuple(self._removed(gone)), kept)
        return variant, too_large

    def _with_line_end(self, span: Span) -> Span:
        """What is left of a line that loses its end keeps the end of the line, and no blanks before it."""
        text, (start, end) = self.own_text.text, span
        if not start or text[start - 1] == "\n" or "\n" not in text[start:end]:
            return span
        return len(text[:start].rstrip(" \t")), start + len(text[start:end].rstrip())

    def _with_blank_line(self, span: Span) -> Span:
        """What is left before the place of an included component is still another paragraph."""
        start, end = self._with_line_end(span)
        text = self.own_text.text[start:end]
        has_blank = end == span[1] and text.endswith("\n") and "\n\n" in f"\n{text}"
        return (start, end - 1) if has_blank and start > 0 else (start, end)

    def _chunks(self, gone: Sequence[Span]) -> Chunks:
        """The text without what is gone; the places of included components stay also in there."""
        placed: list[tuple[Span, Content]] = []
        left = deque(self.own_text.held)
        for start, end in gone:
            while left and left[0][0][0] < start:
                placed.append(left.popleft())
            while left and left[0][0][0] < end:
                (first, last), part = left.popleft()
                if isinstance(part, Mark):
                    placed += [(self._with_blank_line((start, first)), ""), ((first, last), part)]
                    start = last
            placed.append(((start, end), ""))
        return cut(self.own_text.text, [*placed, *left])

    def _removed(self, gone: Sequence[Span]) -> Iterator[RemovedUnit]:
        for span in gone:
            for written in self.own_text.ledger.spans(*span):
                text = self.own_text.text[slice(*written.at)]
                if text.strip():
                    yield RemovedUnit(written.span, self.tools.count(text), "drop", REASON)


class _CutChoice:
    """The units that stay, built up."""

    def __init__(self, units: Sequence[TextUnit], tools: Tools) -> None:
        self.all, self.idf = units, tools.idf
        self.units: set[TextUnit] = set()
        self.said: set[str] = set()
        for unit in units:
            if unit.must_stay:
                self.take(unit)

    @property
    def tokens(self) -> int:
        return sum(unit.tokens for unit in self.units)

    def fill(self, tokens: int) -> TooLarge | None:
        """Take units while any fits; returns the first that did not."""
        spare = tokens - self.tokens
        too_large: TextUnit | None = None
        if spare < 0:
            too_large = max((unit for unit in self.all if unit in self.units), key=lambda unit: unit.tokens)
            return TooLarge(too_large, too_large.tokens)
        heap = [(-self.rate(unit), n) for n, unit in enumerate(self.all) if self.is_near(unit)]
        order = {unit: n for n, unit in enumerate(self.all)}
        heapify(heap)
        while heap:
            rate, n = heappop(heap)
            unit = self.all[n]
            if unit in self.units:
                continue
            if (now := -self.rate(unit)) > rate + 1e-12:
                heappush(heap, (now, n))
                continue
            wanted = self.wanted(unit)
            cost = sum(each.tokens for each in wanted)
            if cost > spare:
                too_large = too_large or unit
                continue
            spare -= cost
            for each in self.led_to(self.take(unit)):
                if self.is_near(each):
                    heappush(heap, (-self.rate(each), order[each]))
        if too_large is None:
            return None
        return TooLarge(too_large, sum(each.tokens for each in self.wanted(too_large)))

    def is_near(self, unit: TextUnit) -> bool:
        """True for a unit of text, not there yet, that would bring along no more than AHEAD others.

        The last of a thousand steps waits for those before it, so that nobody adds up all of them each time.
        """
        if unit in self.units or unit.is_head:
            return False
        found = {unit}
        stack = [unit]
        others = 0
        while stack and others <= AHEAD:
            for each in stack.pop().above:
                if each not in found and each not in self.units:
                    found.add(each)
                    stack.append(each)
                    others += not each.is_head
        return others <= AHEAD

    def led_to(self, taken: Iterable[TextUnit]) -> Iterator[TextUnit]:
        """What hangs on units: right on them, or on heads that do."""
        stack = [each for unit in taken for each in unit.below]
        while stack:
            unit = stack.pop()
            if unit in self.units:
                continue
            yield unit
            if unit.is_head:
                stack += unit.below

    def wanted(self, unit: TextUnit) -> list[TextUnit]:
        """A unit and what it hangs on, as far as it is not there yet."""
        found: dict[TextUnit, None] = {}
        stack = [unit]
        while stack:
            each = stack.pop()
            if each not in found and each not in self.units:
                found[each] = None
                stack += each.above
        return list(found)

    def rate(self, unit: TextUnit) -> float:
        """Information won per token, in nats."""
        wanted = self.wanted(unit)
        return sum(map(self.value, wanted)) / max(sum(each.tokens for each in wanted), 1)

    def value(self, unit: TextUnit) -> float:
        new = self.idf.sum(unit.words - self.said)
        return unit.weight * (new + SAID_AGAIN * (unit.information - new))

    def take(self, unit: TextUnit) -> list[TextUnit]:
        wanted = self.wanted(unit)
        for each in wanted:
            self.units.add(each)
            self.said |= each.words
        return wanted


def _keep_the_beginning(units: Sequence[TextUnit]) -> None:
    """The title and the first text stay in any case."""
    for unit in units:
        if not unit.is_head:
            unit.must_stay = True
            return
        unit.must_stay = unit.block.kind == "section"
