"""Edits of a text, and the trace that leads every place of the result back to the source.

A pass does not rewrite: it returns edits, each with a reason. The driver applies them, so that protection,
reporting and tracing are in one place. A `Trace` knows which stretches of the current text are copies of
which stretches of the source; deletions keep the order, so both directions are a binary search.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from promptd.protocol.records import Span


class Edit(NamedTuple):
    """Replace [start, end) by `text`. `kind` "space" is white space only, and not reported.

    For repeats `duplicate_of` is the span of the duplicate that stays, in the text the edit applies to.
    """

    start: int
    end: int
    text: str = ""
    kind: str = "space"
    reason: str = ""
    duplicate_of: Span | None = None


def joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Spans in order, those without anything between them as one; empty ones are left out."""
    pending: Span | None = None
    for start, end in spans:
        if start >= end:
            continue
        if pending is not None and pending[1] == start:
            pending = pending[0], end
            continue
        if pending is not None:
            yield pending
        pending = start, end
    if pending is not None:
        yield pending


class Run(NamedTuple):
    """`length` characters at `at` in the current text are a copy of those at `source`."""

    at: int
    source: int
    length: int


@dataclass(frozen=True, slots=True)
class Trace:
    """The current text and the runs of it that come from the source, both in order."""

    text: str
    runs: tuple[Run, ...]
    source_length: int

    @classmethod
    def of(cls, text: str) -> "Trace":
        """A text that nothing was done to."""
        return cls(text, (Run(0, 0, len(text)),) if text else (), len(text))

    def __repr__(self) -> str:
        return f"<Trace {self.source_length} -> {len(self.text)} characters, {len(self.runs)} runs>"

    def apply(self, edits: Sequence[Edit]) -> "Trace":
        """The text after sorted, disjoint edits."""
        parts: list[str] = []
        runs: list[Run] = []
        position = length = 0
        for edit in [*edits, Edit(len(self.text), len(self.text))]:
            if edit.start > position:
                parts.append(self.text[position : edit.start])
                runs += self._cut(position, edit.start, length)
                length += edit.start - position
            parts.append(edit.text)
            length += len(edit.text)
            position = edit.end
        return Trace("".join(parts), tuple(_joined(runs)), self.source_length)

    def _cut(self, start: int, end: int, at: int) -> Iterable[Run]:
        """The runs of [start, end), moved to `at`."""
        index = max(bisect_right(self.runs, start, key=lambda run: run.at) - 1, 0)
        for run in map(self.runs.__getitem__, range(index, len(self.runs))):  # no copy of what is behind
            if run.at >= end:
                return
            first, last = max(run.at, start), min(run.at + run.length, end)
            if last > first:
                yield Run(at + first - start, run.source + first - run.at, last - first)

    def source_span(self, start: int, end: int) -> Span:
        """Where [start, end) of the current text comes from: what was cut out inside it is included."""
        cut = list(self._cut(start, end, start))
        if cut:
            return cut[0].source, cut[-1].source + cut[-1].length
        index = bisect_right(self.runs, start, key=lambda run: run.at) - 1
        after = self.runs[index].source + self.runs[index].length if index >= 0 else 0
        return after, after

    def current_span(self, start: int, end: int) -> Span:
        """Where [start, end) of the source stands now: from its first to its last character that is left."""
        index = max(bisect_right(self.runs, start, key=lambda run: run.source) - 1, 0)
        kept: list[Span] = []
        for run in map(self.runs.__getitem__, range(index, len(self.runs))):
            if run.source >= end:
                break
            first, last = max(run.source, start), min(run.source + run.length, end)
            if last > first:
                kept.append((run.at + first - run.source, run.at + last - run.source))
        if kept:
            return kept[0][0], kept[-1][1]
        before = bisect_left(self.runs, start, key=lambda run: run.source) - 1
        at = self.runs[before].at + self.runs[before].length if before >= 0 else 0
        return at, at


def _joined(runs: Iterable[Run]) -> list[Run]:
    joined: list[Run] = []
    for run in runs:
        last = joined[-1] if joined else None
        if last and last.at + last.length == run.at and last.source + last.length == run.source:
            joined[-1] = Run(last.at, last.source, last.length + run.length)
        else:
            joined.append(run)
    return joined


def ordered(edits: Iterable[Edit]) -> list[Edit]:
    """Sorted and disjoint: of two that overlap the one that begins first, and is longest, is kept."""
    kept: list[Edit] = []
    for edit in sorted(set(edits), key=lambda edit: (edit.start, -edit.end)):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept
