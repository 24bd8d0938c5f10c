"""The least informative units are removed, in the order of information lost per token saved.

Units are items, sentences, and headings and bare elements once nothing is left below them. A unit's loss is
the idf of its words that occur nowhere else, and a part of the idf of its other words, by how much of it no
other single unit says: so what is said elsewhere in other words is removed first. It ends when the
aimed reduction is reached, when nothing more fits above the floor of information, or when only protected
units are left: those that instruct, those with a literal that occurs nowhere else, and lead-ins whose list
is kept.

Stopped before nothing was left to drop, the text gets a line `<!-- shortened -->` at its end: a text that
has one is left alone, so that optimising twice changes nothing, and readers know.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

from promptd.core.optimise.blocks import read
from promptd.core.optimise.edits import Edit
from promptd.core.optimise.instructing import is_instructing
from promptd.core.optimise.page import SOLID, Block, Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.passes.shortened import SHORTENED, is_shortened
from promptd.core.optimise.quality import UNIT_NATS, information, inventory_of_reading
from promptd.core.optimise.reading import read_units
from promptd.core.optimise.twins import with_twins
from promptd.core.optimise.units import (
    is_bare_tag,
    is_lead,
    led,
    sentences,
    spoken,
)
from promptd.core.optimise.words import Idf, stem, words

_ELEMENT_LINE = re.compile(r"[ \t]*<(?P<tag>[A-Za-z][\w:.-]*)>(?P<inner>[^<>\n]+)</(?P=tag)>\s*")
Spans = tuple[tuple[int, int], ...]
MOVABLE = frozenset({"code", "url", "path", "number", "placeholder", "quote"})
SAID_ELSEWHERE = 0.25  # how much the idf of words that occur elsewhere counts where no unit says the same
COMMON = 60  # a stem in more units than this does not show that two of them are alike


@dataclass(slots=True, eq=False)
class Unit:
    """One thing that can go: its spans (an element has two), its words, and what it waits for."""

    spans: Spans
    block: Block
    words: Counter[str]
    tokens: int
    stems: frozenset[str] = frozenset()
    anchors: Counter[str] = field(default_factory=Counter)
    is_part: bool = False  # one sentence of several
    is_head: bool = False  # of a block that may go only when nothing is left below it
    alike: "Unit | None" = None  # the standing unit that says most of it
    overlap: float = 0.0
    parts: int = 1  # sentences


def least_informative(page: Page, context: Context) -> Iterator[Edit]:
    """Drop the least informative units until an aim is reached."""
    if is_shortened(page.text):
        return
    greedy = _Greedy(page, context)
    dropped = list(greedy.run())
    ends = _ends(page.text, sorted(span for unit in dropped for span in unit.spans))
    for unit in dropped:
        for start, end in unit.spans:
            yield Edit(start, ends.get(start, end), "", "drop", greedy.reason(unit))
    if greedy.is_stopped:
        yield _mark(page)


def _ends(text: str, spans: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Where the dropped end that begin inside a line whose beginning stays: before the line does."""
    ends: dict[int, int] = {}
    first = before = -1  # where a run of dropped ones begins, and where it ends
    for start, end in spans:
        first = first if start == before else start
        before = end
        own_end = start + len(text[start:end].rstrip())
        is_inside = text[text.rfind("\n", 0, first) + 1 : first].strip()
        if is_inside and "\n" in text[own_end:end]:
            ends[start] = own_end
            first = end
    return ends


def _mark(page: Page) -> Edit:
    """The mark as the last line; as the first one if the text ends in code, which may be unclosed."""
    text = page.text
    if page.anchors and page.anchors[-1].kind in SOLID and not text[page.anchors[-1].end :].strip():
        return Edit(0, 0, f"{SHORTENED}\n")
    newline = "" if text.endswith("\n") else "\n"
    return Edit(len(text), len(text), f"{newline}{SHORTENED}\n")


@dataclass(slots=True)
class _State:
    """What is left, and how much may still be removed."""

    standing: Counter[str]
    anchors: Counter[str]
    allowance: float  # nats of information that may still be lost
    to_save: float  # tokens until the aimed reduction
    gone: set[Unit] = field(default_factory=set)
    left: Counter[Block] = field(default_factory=Counter)  # block -> how much of what holds it stands
    holds: dict[Block, list[Block]] = field(default_factory=dict)  # block -> what it holds in place


class _Greedy:
    def __init__(self, page: Page, context: Context) -> None:
        self.page = page
        self.context = context
        self.idf = context.idf
        is_frozen = any(anchor.kind == "keep" for anchor in page.anchors)
        self.plain = read(page.text) if is_frozen else page  # what is frozen has units as well
        self.reading = read_units(self.plain)
        self.twins = with_twins(self.reading)
        self.units = list(_Candidates(page, context).find())
        self.waiting = {unit.block: unit for unit in self.units if unit.is_head}
        self.likeness = _Likeness(page, self.units, self.idf)
        self.state = self._begin()
        self.is_stopped = context.has_originals
        self.dropped: list[Unit] = []

    def _begin(self) -> _State:
        standing = Counter(spoken(self.page))
        left = inventory_of_reading(self.plain, self.reading)
        share = information(self.context.source or left, left, self.idf)
        allowance = share.kept - share.had * self.context.aims.information
        now = self.context.count(self.page.text)
        to_save = self.context.aims.reduction * self.context.tokens - (self.context.tokens - now)
        text = self.page.text
        held = Counter(text[anchor.start : anchor.end] for anchor in self.page.anchors)
        state = _State(standing, held, allowance, to_save)
        for block in self.page.root.walk():
            self._tie(state, block)
        return state

    def _tie(self, state: _State, block: Block) -> None:
        """Note what a block holds in place: its container, and the lead-in that leads to it."""
        if block.parent is not None and block.kind not in ("comment", "rule"):
            state.holds.setdefault(block, []).append(block.parent)
            state.left[block.parent] += 1
        if block.kind == "paragraph":
            followers = led(self.page, block)
            for each in followers:
                state.holds.setdefault(each, []).append(block)
            state.left[block] = len(followers) or sum(1 for _ in sentences(self.page, block.start, block.end))
        elif block.kind == "item":
            state.left[block] += sum(1 for _ in sentences(self.page, block.start, block.head)) - 1

    def run(self) -> Iterator[Unit]:
        """The units to drop, in the order they go."""
        heap = [(self.rate(unit), index) for index, unit in enumerate(self.units) if self.is_ready(unit)]
        order = {unit: index for index, unit in enumerate(self.units)}
        heapify(heap)
        while heap:
            if self.state.to_save <= 0:
                self.is_stopped = True
                return
            _, index = heap[0]
            unit = self.units[index]
            rate = self.rate(unit)
            if rate > heap[0][0]:
                heapreplace(heap, (rate, index))
                continue
            heappop(heap)
            if not self.has_literals_elsewhere(unit) or self.has_twin(unit):
                continue
            if self.unique(unit) > self.state.allowance:
                self.is_stopped = True
                continue
            self.drop(unit)
            yield unit
            for above in self.freed(unit):
                heappush(heap, (self.rate(above), order[above]))

    def is_ready(self, unit: Unit) -> bool:
        return not unit.is_head or self.state.left[unit.block] == 0

    def rate(self, unit: Unit) -> float:
        """Information lost per token saved, in nats."""
        information = self.idf.sum(unit.words)
        novelty = 1 - self.likeness.overlap(unit, self.state.gone)
        return (self.unique(unit) + SAID_ELSEWHERE * novelty * information) / max(unit.tokens, 1)

    def has_literals_elsewhere(self, unit: Unit) -> bool:
        """True if every literal of a unit, as it is written, is still in the text without it."""
        return all(self.state.anchors[anchor] > times for anchor, times in unit.anchors.items())

    def has_twin(self, unit: Unit) -> bool:
        """True for prose that differs in one thing from other prose of the page, so that both stay."""
        is_name = unit.is_head and unit.block.kind in ("section", "element")
        return not is_name and any(end in self.twins for _, end in unit.spans)

    def unique(self, unit: Unit) -> float:
        """The information that goes with a unit: its own, and the idf of words that would occur nowhere."""
        standing = self.state.standing
        lost = self.idf.sum(word for word, times in unit.words.items() if standing[word] <= times)
        return UNIT_NATS * unit.parts + lost

    def drop(self, unit: Unit) -> None:
        self.state.allowance -= self.unique(unit)
        self.state.standing.subtract(unit.words)
        self.state.anchors.subtract(unit.anchors)
        self.state.to_save -= unit.tokens
        self.state.gone.add(unit)
        self.dropped.append(unit)

    def freed(self, unit: Unit) -> Iterator[Unit]:
        """The heads and lead-ins of which nothing is held any more, now that a unit has gone."""
        left = self.state.left
        if unit.is_part:
            left[unit.block] -= 1
            if left[unit.block]:
                return
            if unit.block in self.waiting:
                yield self.waiting[unit.block]
            if unit.block.kind == "item":
                return
        for held in self.state.holds.get(unit.block, ()):
            left[held] -= 1
            if not left[held] and held in self.waiting:
                yield self.waiting[held]

    def reason(self, unit: Unit) -> str:
        """Why a unit went, for the manifest."""
        if unit.is_head and unit.block.kind != "item":
            return "everything below it was removed"
        if unit.overlap >= 0.5:
            return f"repeats others in other words ({unit.overlap:.0%})"
        return "least information per token"


class _Candidates:
    """What may go at all."""

    def __init__(self, page: Page, context: Context) -> None:
        self.page = page
        self.count = context.count

    def find(self) -> Iterator[Unit]:
        for block in self.page.root.walk():
            if block.kind == "paragraph":
                yield from self.sentences(block)
            elif block.kind == "item":
                yield from self.item(block)
            elif block.kind == "tag":
                yield from self.element_line(block)
            elif block.kind == "section":
                yield from self.head(block, ((block.start, block.head),))
            elif block.kind == "element" and is_bare_tag(self.page.text[block.start : block.head]):
                yield from self.head(block, ((block.start, block.head), (block.foot, block.end)), is_tag=True)

    def sentences(self, block: Block) -> Iterator[Unit]:
        if led(self.page, block):
            if self.may_go(block.start, block.end):
                yield self.unit(block, ((block.start, block.end),), is_head=True)
            return
        for start, end in sentences(self.page, block.start, block.end):
            if self.may_go(start, end) and not is_lead(self.page.text[start:end]):
                yield self.unit(block, ((start, end),), is_part=True)

    def element_line(self, block: Block) -> Iterator[Unit]:
        """A line like `<description>prose</description>`, if its tag has no attributes."""
        match = _ELEMENT_LINE.fullmatch(self.page.text, block.start, block.head)
        if match is not None and self.may_go(*match.span("inner")):
            yield self.unit(block, ((block.start, block.head),))

    def item(self, block: Block) -> Iterator[Unit]:
        """Its first sentence goes last, with the marker; what ends in a colon goes after what it leads to."""
        (_, first), *more = sentences(self.page, block.start, block.head)
        is_head = bool(block.children or more)
        if self.may_go(block.start, first) and (is_head or not is_lead(self.page.text[block.start : first])):
            yield self.unit(block, ((block.start, first),), is_head=is_head)
        for start, end in more:
            if self.may_go(start, end) and not is_lead(self.page.text[start:end]):
                yield self.unit(block, ((start, end),), is_part=True)

    def head(self, block: Block, spans: Spans, *, is_tag: bool = False) -> Iterator[Unit]:
        if block.children and (is_tag or self.may_go(*spans[0])):
            yield self.unit(block, spans, is_head=True)

    def may_go(self, start: int, end: int) -> bool:
        """True unless a unit instructs or holds a literal of a kind that must stay where it is."""
        text = self.page.text[start:end]
        kinds = {anchor.kind for anchor in self.page.anchors_in(start, end)}
        return kinds <= MOVABLE and "```" not in text and "~~~" not in text and not is_instructing(text)

    def unit(self, block: Block, spans: Spans, *, is_head: bool = False, is_part: bool = False) -> Unit:
        text = "".join(self.page.text[start:end] for start, end in spans)
        found = Counter(words(text))
        anchors = Counter(
            self.page.text[anchor.start : anchor.end]
            for span in spans
            for anchor in self.page.anchors_in(*span)
            if anchor.kind != "tag"
        )
        stems = frozenset(map(stem, found))
        unit = Unit(spans, block, found, self.count(text), stems, anchors, is_part=is_part, is_head=is_head)
        unit.parts = sum(1 for span in spans for _ in sentences(self.page, *span)) if is_head else 1
        return unit


class _Likeness:
    """How much of a unit another single unit, or a protected block, says with the same stems."""

    def __init__(self, page: Page, units: Sequence[Unit], idf: Idf) -> None:
        self.index: dict[str, list[Unit]] = {}
        self.stem_idf: dict[str, float] = {}  # that of the commonest word with the stem
        for unit in [*units, *_protected(page, units)]:
            for word in unit.words:
                each = stem(word)
                self.stem_idf[each] = min(idf.of(word), self.stem_idf.get(each, inf))
            for each in unit.stems:
                self.index.setdefault(each, []).append(unit)

    def overlap(self, unit: Unit, gone: set[Unit]) -> float:
        """The largest share of a unit's idf that one standing unit says."""
        if unit.alike is not None and unit.alike not in gone:
            return unit.overlap
        if unit.alike is None and unit.overlap < 0:
            return 0.0
        shared: dict[Unit, float] = {}
        for each in sorted(unit.stems):
            users = self.index[each]
            if len(users) <= COMMON:
                for user in users:
                    shared[user] = shared.get(user, 0.0) + self.stem_idf[each]
        best = self._best(unit, shared, gone)
        whole = sum(self.stem_idf[each] for each in sorted(unit.stems))
        unit.alike = best
        unit.overlap = shared[best] / whole if best is not None and whole else -1.0
        return max(unit.overlap, 0.0)

    def _best(self, unit: Unit, shared: dict[Unit, float], gone: set[Unit]) -> Unit | None:
        standing = (user for user in shared if user is not unit and user not in gone)
        return max(standing, key=lambda user: (shared[user], -user.spans[0][0]), default=None)


def _protected(page: Page, units: Sequence[Unit]) -> Iterator[Unit]:
    """What stays in any case, so that units may be found to repeat it."""
    free = {unit.block for unit in units}
    for block in page.root.walk():
        if block not in free and block.kind in ("item", "paragraph", "section", "quote", "tag", "table"):
            found = Counter(words(page.text[block.start : block.head]))
            yield Unit(((block.start, block.head),), block, found, 0, frozenset(map(stem, found)))
