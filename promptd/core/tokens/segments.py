"""Exact counts by addition: texts are cut where no token can cross, each distinct piece counted once.

BPE merges never cross a pre-token boundary, and for `o200k_base` and `cl100k_base` a pre-token never
crosses from a newline to a following character that is neither white space nor `/`. So the
count of any text is the sum over its segments, and assembled prompts consist of segments already known.
The encoder itself is handed in. A property test holds the sum against encoding the whole.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

SAFE_CUT = re.compile(r"\n(?=[^\s/])")  # the newline belongs to the segment it ends
MAX_KNOWN_BYTES = 64_000_000  # 12 MB of real Markdown is known in 30 MB; beyond it the memory starts afresh
ENTRY_BYTES = 104  # a dict's slot at its usual fill
DIGEST_BYTES = 16  # of 150,000 segments two share a digest with a probability of 1e-29
MAX_KEPT = (
    150_000  # counts that outlive the process: 3 MB on disk, some 25 MB while they wait to be asked for
)

NEAR_CHARS = 1_000  # a longer text is worth cutting: most of its segments are known
MAX_RECENT = 1_000
MAX_RECENT_CHARS = 2_000_000
CHUNK_CHARS = 131_072  # a text is cut in chunks of at least so many, so that no one call takes long

CountMany = Callable[[Sequence[str]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class SegmentStatistics:
    """Segments asked for, those that had to be encoded, and how many are remembered in how many bytes.

    `recalled` are those that an earlier process had counted.
    """

    asked: int
    encoded: int
    known: int
    known_bytes: int
    recalled: int


class Segments:
    """Counts tokens of texts, remembering each distinct segment. Threads may count at the same time.

    `is_additive=False` is for encodings whose safe cuts are not proven: texts are counted whole.
    """

    def __init__(
        self, count_many: CountMany, *, is_additive: bool = True, max_bytes: int = MAX_KNOWN_BYTES
    ) -> None:
        self._count_many = count_many
        self.is_additive = is_additive
        self._max_bytes = max_bytes
        self._lines: dict[str, int] = {}  # segment without its newline -> tokens of it with the newline
        self._ends: dict[str, int] = {}  # the last segment of a text, which no newline ends
        self._recent: dict[str, int] = {}  # what stood around values lately
        self._recent_chars = 0
        self._earlier: dict[bytes, int] = {}  # by digest, from an earlier process
        self._believed: list[tuple[dict[str, int], str, str]] = []  # memory, segment, ending: taken from it
        self._is_verified = False
        self._asked = self._encoded = self._known_bytes = self._recalled = 0

    def __repr__(self) -> str:
        return f"<Segments {len(self._lines) + len(self._ends)} known>"

    def count(self, text: str) -> int:
        """Tokens of a text: equal to encoding it whole. Raises what the encoder raises."""
        if len(text) > 2 * CHUNK_CHARS:
            return sum(map(self._count, self._chunks(text)))
        return self._count(text)

    def _chunks(self, text: str) -> Iterator[str]:
        """The text in pieces of CHUNK_CHARS and more, as far as it has safe cuts."""
        start = 0
        while self.is_additive and (cut := SAFE_CUT.search(text, start + CHUNK_CHARS)) is not None:
            yield text[start : cut.end()]
            start = cut.end()
        yield text[start:]

    def _count(self, text: str) -> int:
        *lines, end = SAFE_CUT.split(text) if self.is_additive else (text,)
        self._asked += len(lines) + 1
        try:  # most often all of them are known
            return sum(map(self._lines.__getitem__, lines)) + self._ends[end]
        except KeyError:
            pass
        known, ends = self._memory()
        self._learn(known, [line for line in dict.fromkeys(lines) if line not in known], "\n")
        self._learn(ends, [end] if end not in ends else [], "")
        return sum(map(known.__getitem__, lines)) + ends[end]

    def count_near(self, text: str) -> int:
        """Tokens of a text that a value stands in: encoded whole, for it will hardly come again.

        The last few short and huge ones are remembered apart, so that values do not fill the memory of the
        library's segments.
        """
        known = self._recent.get(text)
        if known is None:
            if NEAR_CHARS < len(text) <= CHUNK_CHARS:
                return self.count(text)
            self._recent_chars += len(text)
            if len(self._recent) >= MAX_RECENT or self._recent_chars > MAX_RECENT_CHARS:
                self._recent.clear()
                self._recent_chars = len(text)
            pieces = (text,) if len(text) <= 2 * CHUNK_CHARS else tuple(self._chunks(text))
            known = self._recent[text] = sum(sum(self._count_many((piece,))) for piece in pieces)
            self._encoded += len(pieces)
        self._asked += 1
        return known

    def forget(self) -> None:
        """Let go of everything known: memory is short."""
        self._lines, self._ends, self._recent, self._known_bytes, self._recent_chars = {}, {}, {}, 0, 0

    def _learn(self, known: dict[str, int], fresh: Sequence[str], ending: str) -> None:
        if fresh and self._earlier and not self._is_verified:
            fresh = self._recall(known, fresh, ending)
        if fresh:
            known.update(zip(fresh, self._count_many([line + ending for line in fresh]), strict=True))
            self._encoded += len(fresh)
            self._grow(fresh)

    def _grow(self, lines: Sequence[str]) -> None:
        self._known_bytes += sum(map(sys.getsizeof, lines)) + ENTRY_BYTES * len(lines)

    # -- what outlives the process ------------------------------------------------------------

    def recall(self, counts: Mapping[bytes, int]) -> None:
        """Take over counts that an earlier process exported, of the same encoding."""
        self._earlier = dict(counts)

    def _recall(self, known: dict[str, int], fresh: Sequence[str], ending: str) -> Sequence[str]:
        """Count what was counted before; returns the others."""
        earlier = ((line, self._earlier.pop(_digest(line + ending), None)) for line in fresh)
        found = {line: count for line, count in earlier if count is not None}
        known.update(found)
        self._believed += [(known, line, ending) for line in found]
        self._recalled += len(found)
        self._grow(list(found))
        return [line for line in fresh if line not in found]

    def verify(self) -> bool:
        """Count what was recalled so far; False if a count was wrong, which is put right and ends all belief.

        To be called once the encoder is at hand: from then on counting costs as little as recalling, and
        nothing more is believed. In a thread.
        """
        self._is_verified = True
        believed, self._believed = self._believed, []
        counts = self._count_many([line + ending for _, line, ending in believed])
        wrong = [
            (known, line, count)
            for (known, line, _), count in zip(believed, counts, strict=True)
            if known.get(line, count) != count
        ]
        for known, line, count in wrong:
            known[line] = count
        if wrong:
            self._earlier = {}
            self._recent.clear()
        return not wrong

    def export(self) -> dict[bytes, int]:
        """At most MAX_KEPT counts by digest, those of now first. About 1 µs each: call from a thread."""
        return dict(islice(self._all(), MAX_KEPT))

    def _all(self) -> Iterator[tuple[bytes, int]]:
        for known, ending in ((self._lines, "\n"), (self._ends, "")):
            for line, count in list(known.items()):
                yield _digest(line + ending), count
        yield from list(self._earlier.items())

    def _memory(self) -> tuple[dict[str, int], dict[str, int]]:
        """Both memories; fresh ones when full. A count under way in another thread keeps the old."""
        if self._known_bytes > self._max_bytes:
            self._lines, self._ends, self._known_bytes = {}, {}, 0
        return self._lines, self._ends

    def statistics(self) -> SegmentStatistics:
        """A frozen record of the counts."""
        known = len(self._lines) + len(self._ends)
        return SegmentStatistics(self._asked, self._encoded, known, self._known_bytes, self._recalled)


def _digest(segment: str) -> bytes:
    return blake2b(segment.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).digest()
