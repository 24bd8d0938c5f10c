"""Exact counts by addition: texts are cut where no token can cross, each distinct piece counted once.

BPE merges never cross a pre-token boundary, and for `o200k_base` and `cl100k_base` a pre-token never
crosses from a newline to a following character that is neither white space nor `/` (DESIGN.md §5). So the
count of any text is the sum over its segments, and assembled prompts consist of segments already known.
The encoder itself is handed in. A property test holds the sum against encoding the whole.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SAFE_CUT = re.compile(r"\n(?=[^\s/])")  # the newline belongs to the segment it ends
MAX_KNOWN_BYTES = 64_000_000  # 12 MB of real Markdown is known in 30 MB; beyond it the memory starts afresh
ENTRY_BYTES = 104  # a dict's slot at its usual fill

CountMany = Callable[[Sequence[str]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class SegmentStatistics:
    """Segments asked for, those that had to be encoded, and how many are remembered in how many bytes."""

    asked: int
    encoded: int
    known: int
    known_bytes: int


class Segments:
    """Counts tokens of texts, remembering each distinct segment. Threads may count at the same time.

    `is_additive=False` is for encodings whose safe cuts are not proven: texts are counted whole.
    """

    def __init__(
        self, count_many: CountMany, *, is_additive: bool = True, max_bytes: int = MAX_KNOWN_BYTES
    ) -> None:
        self._count_many = count_many
        self._is_additive = is_additive
        self._max_bytes = max_bytes
        self._lines: dict[str, int] = {}  # segment without its newline -> tokens of it with the newline
        self._ends: dict[str, int] = {}  # the last segment of a text, which no newline ends
        self._asked = self._encoded = self._known_bytes = 0

    def __repr__(self) -> str:
        return f"<Segments {len(self._lines) + len(self._ends)} known>"

    def count(self, text: str) -> int:
        """Tokens of a text: equal to encoding it whole. Raises what the encoder raises."""
        *lines, end = _SAFE_CUT.split(text) if self._is_additive else (text,)
        known, ends = self._memory()
        self._asked += len(lines) + 1
        self._learn(known, [line for line in dict.fromkeys(lines) if line not in known], "\n")
        self._learn(ends, [end] if end not in ends else [], "")
        return sum(map(known.__getitem__, lines)) + ends[end]

    def _learn(self, known: dict[str, int], fresh: Sequence[str], ending: str) -> None:
        if fresh:
            known.update(zip(fresh, self._count_many([line + ending for line in fresh]), strict=True))
            self._encoded += len(fresh)
            self._known_bytes += sum(map(sys.getsizeof, fresh)) + ENTRY_BYTES * len(fresh)

    def _memory(self) -> tuple[dict[str, int], dict[str, int]]:
        """Both memories; fresh ones when full. A count under way in another thread keeps the old."""
        if self._known_bytes > self._max_bytes:
            self._lines, self._ends, self._known_bytes = {}, {}, 0
        return self._lines, self._ends

    def statistics(self) -> SegmentStatistics:
        """A frozen record of the counts."""
        known = len(self._lines) + len(self._ends)
        return SegmentStatistics(self._asked, self._encoded, known, self._known_bytes)
