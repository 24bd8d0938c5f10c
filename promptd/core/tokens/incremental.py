"""The tokens of a skeleton with values, counted anew only where values stand.

A run of text that holds safe cuts has an inside, between its first and its last, whose tokens never change:
they are counted once, with marks at the cuts next to the joints of its parts. With values filled in, what
remains to be counted is what stands between the last cut of one run and the first of the next: a few short
lines around each value. The count of any stretch is a difference of running sums and two edges up to the next
marks, and equals encoding that stretch whole.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from promptd.core.assembly.fill import Filled
from promptd.core.assembly.slot_layout import SlotLayout
from promptd.core.tokens.segments import SAFE_CUT, Segments

LEAST_CHARS = 100  # between two values; a shorter inside is encoded faster than it is looked up


class _Inside(NamedTuple):
    """Marks of one run, from its start, and the tokens from the first of them to each."""

    run: int
    marks: list[int]
    sums: list[int]


class Measured:
    """Tokens of one filled text and of its stretches.

    `shifts` are where the runs of the insides begin, `befores` the tokens before the first mark of each.
    """

    __slots__ = ("_befores", "_firsts", "_insides", "_known", "_lasts", "_segments", "_shifts", "_text")

    def __init__(
        self, text: str, insides: list[_Inside], shifts: list[int], befores: list[int], segments: Segments
    ) -> None:
        self._text, self._insides, self._shifts, self._befores = text, insides, shifts, befores
        self._firsts = [shift + inside.marks[0] for shift, inside in zip(shifts, insides, strict=True)]
        self._lasts = [shift + inside.marks[-1] for shift, inside in zip(shifts, insides, strict=True)]
        self._segments = segments
        self._known: dict[tuple[int, int], int] = {}

    def __repr__(self) -> str:
        return f"<Measured {len(self._text)} characters, {len(self._insides)} insides>"

    def count(self, start: int, end: int) -> int:
        """Tokens of text[start:end]: equal to encoding that stretch whole."""
        known = self._known.get((start, end))
        if known is None:  # the whole text is asked for by everyone
            known = self._known[start, end] = self._count(start, end)
        return known

    def _count(self, start: int, end: int) -> int:
        first, last = bisect_left(self._lasts, start), bisect_right(self._firsts, end) - 1
        if first <= last:
            since, before = self._mark(first, start, is_first=True)
            until, after = self._mark(last, end, is_first=False)
            if since <= until:
                tokens = after - before
                for edge in (self._text[start:since], self._text[until:end]):
                    tokens += self._segments.count_near(edge) if edge else 0
                return tokens
        return self._segments.count_near(self._text[start:end])

    def _mark(self, index: int, place: int, *, is_first: bool) -> tuple[int, int]:
        """The first mark of an inside not before a place, or the last not behind it, and the tokens to it."""
        _, marks, sums = self._insides[index]
        shift = self._shifts[index]
        at = bisect_left(marks, place - shift) if is_first else bisect_right(marks, place - shift) - 1
        return shift + marks[at], self._befores[index] + sums[at]


class IncrementalCount:
    """Made once for the layout of a skeleton; `measure` is asked for every set of values.

    `constant` is a place to remember tokens of entries without values, by their index.
    """

    def __init__(self, layout: SlotLayout, segments: Segments) -> None:
        self._segments = segments
        self.constant: dict[int, int] = {}
        self._insides = [*_insides(layout, segments)] if segments.is_additive else []

    def __repr__(self) -> str:
        return f"<IncrementalCount of {len(self._insides)} insides>"

    def measure(self, filled: Filled) -> Measured:
        """Count what stands between the insides."""
        shifts: list[int] = []
        befores: list[int] = []
        count_near, text, starts = self._segments.count_near, filled.text, filled.starts
        end = tokens = 0
        for run, marks, sums in self._insides:
            shift = starts[run]
            if befores:
                tokens += count_near(text[end : shift + marks[0]])
            shifts.append(shift)
            befores.append(tokens)
            end = shift + marks[-1]
            tokens += sums[-1]
        return Measured(text, self._insides, shifts, befores, self._segments)


def _insides(layout: SlotLayout, segments: Segments) -> Iterable[_Inside]:
    for run, places in layout.parts_of():
        text = layout.runs[run]
        assert isinstance(text, str)
        inside = {mark for start, end in pairwise(places) for mark in _cuts(text, start, end)}
        between = {place for place in places[1:-1] if SAFE_CUT.match(text, max(place - 1, 0))}
        marks = sorted(inside | between)
        if marks:
            sums = [0]
            for since, until in pairwise(marks):
                sums.append(sums[-1] + segments.count(text[since:until]))
            if marks[-1] - marks[0] >= LEAST_CHARS:
                yield _Inside(run, marks, sums)


def _cuts(text: str, start: int, end: int) -> Iterable[int]:
    """The first and the last safe cut of text[start:end]."""
    if (first := SAFE_CUT.search(text, start, end)) is not None:
        yield first.end()
        at = end
        while True:
            at = text.rindex("\n", start, at)
            if SAFE_CUT.match(text, at, end):
                yield at + 1
                return
