"""The tokens of a skeleton with values, counted anew only where values stand.

A part of text that holds safe cuts has an inside, between its first and its last, whose tokens never
change: they are counted once. With values filled in, what remains to be counted is what stands between the
last cut of one part and the first of the next: a few short lines around each value and each joint. The count
of any stretch is a difference of running sums and two such edges, and equals encoding that stretch whole.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from promptd.engine.fill import Filled
from promptd.engine.slots import Slot
from promptd.engine.tokens.segments import SAFE_CUT, Segments


class Measured:
    """Tokens of one filled text and of its stretches."""

    def __init__(self, text: str, marks: Sequence[int], sums: Sequence[int], segments: Segments) -> None:
        self._text, self._marks, self._sums, self._segments = text, marks, sums, segments

    def __repr__(self) -> str:
        return f"<Measured {len(self._text)} characters, {len(self._marks)} marks>"

    def count(self, start: int, end: int) -> int:
        """Tokens of text[start:end]: equal to encoding that stretch whole."""
        first, last = bisect_left(self._marks, start), bisect_right(self._marks, end) - 1
        if last < first:
            return self._segments.count(self._text[start:end])
        tokens = self._sums[last] - self._sums[first]
        for edge in (self._text[start : self._marks[first]], self._text[self._marks[last] : end]):
            tokens += self._segments.count(edge) if edge else 0
        return tokens


class Tally:
    """Made once for the parts of a skeleton; `measure` is asked for every set of values."""

    def __init__(self, parts: Sequence[str | Slot], segments: Segments) -> None:
        self._segments = segments
        self._insides: list[tuple[int, int, int, int]] = []  # part, first cut, last cut, tokens between
        for index, part in enumerate(parts) if segments.is_additive else ():
            if isinstance(part, str) and (first := SAFE_CUT.search(part)) is not None:
                last = _last_cut(part)
                tokens = segments.count(part[first.end() : last]) if first.end() < last else 0
                self._insides.append((index, first.end(), last, tokens))

    def __repr__(self) -> str:
        return f"<Tally of {len(self._insides)} parts with cuts>"

    def measure(self, filled: Filled) -> Measured:
        """Count what stands between the insides."""
        marks: list[int] = []
        sums: list[int] = []
        count, text, offsets = self._segments.count, filled.text, filled.offsets
        for index, first, last, tokens in self._insides:
            start, end = offsets[index] + first, offsets[index] + last
            before = sums[-1] + count(text[marks[-1] : start]) if marks else 0
            marks += (start, end) if end > start else (start,)
            sums += (before, before + tokens) if end > start else (before,)
        return Measured(text, marks, sums, self._segments)


def _last_cut(text: str) -> int:
    """Where the last safe cut of a text that has one is."""
    at = len(text)
    while True:
        at = text.rindex("\n", 0, at)
        if SAFE_CUT.match(text, at):
            return at + 1
