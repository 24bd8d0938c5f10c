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

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

from promptd.core.optimise.blocks import read
from promptd.core.optimise.edits import Edit
from promptd.core.optimise.leads import followers
from promptd.core.optimise.page import SOLID, Block, Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.passes.candidates import Droppable, Unit, is_one_line_lead, whole_sentences
from promptd.core.optimise.passes.shortened import SHORTENED, is_shortened
from promptd.core.optimise.quality import UNIT_NATS, information, inventory_of_reading
from promptd.core.optimise.reading import read_units
from promptd.core.optimise.twins import with_twins
from promptd.core.optimise.units import is_lead, spoken
from promptd.core.optimise.words import Idf, stem, words

SAID_ELSEWHERE = 0.25  # how much the idf of words that occur elsewhere counts where no unit says the same
COMMON = 60  # a stem in more units than this does not show that two of them are alike


def least_informative(page: Page, context: Context) -> Iterator[Edit]:
    """Drop the least informative units until an aim is reached."""
    if is_shortened(page.text):
        return
    greedy = _Greedy(page, context)
    for unit in greedy.run():
        for start, end in unit.spans:
            yield Edit(start, end, "", "drop", greedy.reason(unit))
    if greedy.is_stopped:
        yield _mark(page)


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
        self.twins = sorted(with_twins(self.reading))
        self.units = list(Droppable(page, context.count, context.entries).find())
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
        led = followers(self.page, block)
        is_head = block.kind == "paragraph" and is_one_line_lead(self.page, block)
        if block.kind in ("paragraph", "item") and not is_head:
            state.left[block] += len(whole_sentences(self.page, block)) - (block.kind == "item")
        if led:
            lead = block if is_head else Block("paragraph", block.head, block.head, block.head)
            state.left[lead] += len(led)
            for each in led:
                state.holds.setdefault(each, []).append(lead)

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
            together, less = self.together(unit)
            if not together or not self.has_literals_elsewhere(together) or any(map(self.has_twin, together)):
                continue
            if self.unique(together) > self.state.allowance:
                self.is_stopped = True
                continue
            for each in together:
                self.drop(each)
                yield each
            self.state.left.subtract(less)
            for block in less:
                above = self.waiting.get(block)
                if above is not None and above not in self.state.gone and not self.state.left[block]:
                    heappush(heap, (self.rate(above), order[above]))

    def together(self, unit: Unit) -> tuple[list[Unit], Counter[Block]]:
        """A unit and the heads that would head nothing without it, with how much each block loses.

        No unit at all if one of the heads must stay.
        """
        going, less = [unit], Counter[Block]()
        for each in going:
            for block in self.emptied(each, less):
                if not heads(self.page, block):
                    continue
                if block not in self.waiting:
                    return [], less
                going.append(self.waiting[block])
        return going, less

    def emptied(self, unit: Unit, less: Counter[Block]) -> Iterator[Block]:
        """The blocks that hold nothing any more once a unit has gone as well as what `less` counts."""
        if unit.is_part:
            less[unit.block] += 1
            if self.state.left[unit.block] > less[unit.block]:
                return
            if unit.block.kind == "item":
                yield unit.block
                return
        for held in self.state.holds.get(unit.block, ()):
            less[held] += 1
            if self.state.left[held] == less[held]:
                yield held

    def is_ready(self, unit: Unit) -> bool:
        return not unit.is_head or self.state.left[unit.block] == 0

    def rate(self, unit: Unit) -> float:
        """Information lost per token saved, in nats."""
        information = self.idf.sum(unit.words)
        novelty = 1 - self.likeness.overlap(unit, self.state.gone)
        return (self.unique([unit]) + SAID_ELSEWHERE * novelty * information) / max(unit.tokens, 1)

    def has_literals_elsewhere(self, units: Sequence[Unit]) -> bool:
        """True if every literal of units, as it is written, is still in the text without them."""
        held = _summed(unit.anchors for unit in units)
        return all(self.state.anchors[anchor] > times for anchor, times in held.items())

    def has_twin(self, unit: Unit) -> bool:
        """True for prose that differs in one thing from other prose of the page, so that both stay."""
        is_name = unit.is_head and unit.block.kind in ("section", "element")
        return not is_name and any(self._ends_twin(*span) for span in unit.spans)

    def _ends_twin(self, start: int, end: int) -> bool:
        at = bisect_right(self.twins, start)
        return at < len(self.twins) and self.twins[at] <= end

    def unique(self, units: Sequence[Unit]) -> float:
        """The information that goes with units: their own, and the idf of words that would occur nowhere."""
        standing = self.state.standing
        said = _summed(unit.words for unit in units)
        lost = self.idf.sum(word for word, times in said.items() if standing[word] <= times)
        return UNIT_NATS * sum(unit.parts for unit in units) + lost

    def drop(self, unit: Unit) -> None:
        self.state.allowance -= self.unique([unit])
        self.state.standing.subtract(unit.words)
        self.state.anchors.subtract(unit.anchors)
        self.state.to_save -= unit.tokens
        self.state.gone.add(unit)
        self.dropped.append(unit)

    def reason(self, unit: Unit) -> str:
        """Why a unit went, for the manifest."""
        if unit.is_head and unit.block.kind != "item":
            return "everything below it was removed"
        if unit.overlap >= 0.5:
            return f"repeats others in other words ({unit.overlap:.0%})"
        return "least information per token"


def heads(page: Page, block: Block) -> bool:
    """True for what is nothing by itself: a heading, a tag, a lead-in."""
    if block.kind == "item":
        return is_lead(page.text[block.start : block.head])
    return block.kind in ("section", "element", "paragraph")


def _summed(counters: Iterable[Counter[str]]) -> Counter[str]:
    first, *others = counters
    if not others:
        return first
    summed = Counter(first)
    for each in others:
        summed.update(each)
    return summed


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
