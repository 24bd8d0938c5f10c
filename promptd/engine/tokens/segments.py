"""Exact counts by addition: texts are cut where no token can cross, each distinct piece counted once.

BPE merges never cross a pre-token boundary, and for `o200k_base` and `cl100k_base` a pre-token never
crosses from a newline to a following character that is neither white space nor `/` (DESIGN.md §5). So the
count of any text is the sum over its segments, and assembled prompts consist of segments already known.
The encoder itself is handed in. A property test holds the sum against encoding the whole.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SAFE_CUT = re.compile(r"\n(?=[^\s/])")  # the newline belongs to the segment it ends
MAX_SEGMENTS = 500_000  # about 100 MB; beyond it the memory is started afresh

CountMany = Callable[[Sequence[str]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class SegmentStatistics:
    """Segments asked for, those that had to be encoded, and how many are remembered."""

    asked: int
    encoded: int
    known: int


class Segments:
    """Counts tokens of texts, remembering each distinct segment.

    `is_additive=False` is for encodings whose safe cuts are not proven: texts are counted whole.
    """

    def __init__(self, count_many: CountMany, *, is_additive: bool = True) -> None:
        self._count_many = count_many
        self._is_additive = is_additive
        self._lines: dict[str, int] = {}  # segment without its newline -> tokens of it with the newline
        self._ends: dict[str, int] = {}  # the last segment of a text, which no newline ends
        self._asked = self._encoded = 0

    def __repr__(self) -> str:
        return f"<Segments {len(self._lines)} known>"

    def count(self, text: str) -> int:
        """Tokens of a text: equal to encoding it whole."""
        *lines, end = _SAFE_CUT.split(text) if self._is_additive else (text,)
        known, ends = self._memory()
        fresh = [line for line in dict.fromkeys(lines) if line not in known]
        if fresh:
            counts = self._count_many([f"{line}\n" for line in fresh])
            known.update(zip(fresh, counts, strict=True))
        if end not in ends:
            ends[end] = self._count_many([end])[0]
            self._encoded += 1
        self._asked += len(lines) + 1
        self._encoded += len(fresh)
        return sum(map(known.__getitem__, lines)) + ends[end]

    def _memory(self) -> tuple[dict[str, int], dict[str, int]]:
        """Both memories; fresh ones when full. A count under way in another thread keeps the old."""
        if len(self._lines) + len(self._ends) > MAX_SEGMENTS:
            self._lines, self._ends = {}, {}
        return self._lines, self._ends

    def statistics(self) -> SegmentStatistics:
        """A frozen record of the counts."""
        return SegmentStatistics(self._asked, self._encoded, len(self._lines) + len(self._ends))
