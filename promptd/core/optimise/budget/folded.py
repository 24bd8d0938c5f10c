"""Folding: a component that may not be left out, with some of its passages folded into references.

A passage is what stands between two headings or tags. Folded it is one line that says how to fetch it, by
the span it has in its file; headings, tags and included components stay. The passages that tell least for
their tokens are folded first, in steps that double, so that a budget has a few variants to choose from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from promptd.core.assembly.reference import Reference
from promptd.core.assembly.writer import ending
from promptd.core.optimise.blocks import read
from promptd.core.optimise.budget.own_text import (
    Chunks,
    Mark,
    OwnText,
    cut,
)
from promptd.core.optimise.budget.tree import Content, raw
from promptd.core.optimise.page import Block
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.words import words
from promptd.protocol.records import RemovedUnit, Span

MIN_SAVED = 20  # tokens that folding a passage saves at least


@dataclass(frozen=True, slots=True)
class Folded:
    """One folded variant: chunks, what was folded, and the share of information that stays."""

    chunks: Chunks
    units: tuple[RemovedUnit, ...]
    kept: float


@dataclass(frozen=True, slots=True)
class _Passage:
    at: Span
    line: str
    unit: RemovedUnit
    idf_per_token: float


def folded(own_text: OwnText, tools: Tools) -> Iterator[Folded]:
    """Variants with ever more passages folded: 1, 2, 4, … and all of them."""
    found = sorted(_passages(own_text, tools), key=lambda passage: (passage.idf_per_token, passage.at))
    had = set(words(own_text.text))
    size = 1
    while found:
        chosen = sorted(found[:size], key=lambda passage: passage.at)
        yield _fold(own_text, chosen, tools, had)
        if size >= len(found):
            return
        size = min(2 * size, len(found))


def _fold(own_text: OwnText, chosen: Sequence[_Passage], tools: Tools, had: set[str]) -> Folded:
    inside = [passage.at for passage in chosen]
    held = [
        (span, part) for span, part in own_text.held if not any(at[0] <= span[0] < at[1] for at in inside)
    ]
    lines: list[tuple[Span, Content]] = [(passage.at, passage.line) for passage in chosen]
    chunks = cut(own_text.text, sorted([*held, *lines], key=lambda item: item[0]))
    left = words(" ".join(raw(part) for chunk in chunks for part in chunk))
    whole = tools.idf.sum(had)
    kept = tools.idf.sum(had.intersection(left)) / whole if whole else 1.0
    return Folded(chunks, tuple(passage.unit for passage in chosen), kept)


def _passages(own_text: OwnText, tools: Tools) -> Iterator[_Passage]:
    """The passages that are worth folding."""
    page = read(own_text.text)
    for block in page.root.walk():
        if block.kind in ("root", "section", "element"):
            for start, end in _runs(block):
                for at in _between_marks(own_text, start, end):
                    passage = _passage(own_text, at, tools) if page.is_removable(*at) else None
                    if passage is not None:
                        yield passage


def _runs(block: Block) -> Iterator[Span]:
    """Stretches of children that are neither sections nor elements."""
    start = end = -1
    for child in [*block.children, None]:
        if child is not None and child.kind not in ("section", "element"):
            start, end = child.start if start < 0 else start, child.end
        elif start >= 0:
            yield start, end
            start = -1


def _between_marks(own_text: OwnText, start: int, end: int) -> Iterator[Span]:
    """The stretch without the lines in which children stand."""
    for (first, last), part in own_text.held:
        if isinstance(part, Mark) and start <= first < end:
            line = own_text.text.rfind("\n", 0, first) + 1
            if line > start:
                yield start, line
            after = own_text.text.find("\n", last - 1)
            start = end if after < 0 else after + 1
    if start < end:
        yield start, end


def _passage(own_text: OwnText, at: Span, tools: Tools) -> _Passage | None:
    text = own_text.text[slice(*at)]
    written = list(own_text.ledger.spans(*at))
    if not written:
        return None
    id, span = written[0].id, (written[0].span[0], written[-1].span[1])
    tokens = tools.count(text)
    is_exact = span[1] - span[0] == len(text)  # else a shell form was replaced in it
    digest = sha256(text.encode()).hexdigest() if is_exact else ""
    line = Reference(id, tokens=tokens, span=span, digest=digest).line + ending(text)
    if tokens - tools.count(line) < MIN_SAVED:
        return None
    unit = RemovedUnit(span, tokens, "passage", "replaced by a reference")
    return _Passage(at, line, unit, tools.idf.sum(set(words(text))) / tokens)
