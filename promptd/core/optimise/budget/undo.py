"""Taking back a part of what a strategy did to a text, until the text is as large as it may be.

What a strategy did is a list of patches of the source, put together to bundles. They are taken back in the
order of information won per token.
"""

from bisect import bisect_right
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from promptd.core.optimise.blocks import read
from promptd.core.optimise.budget.bundles import Bundle, bundles_of
from promptd.core.optimise.budget.patches import Patch, patches_of
from promptd.core.optimise.edits import Edit, Trace, joined, ordered
from promptd.core.optimise.passes.shortened import is_shortened
from promptd.core.optimise.quality import compare, inventory, inventory_of
from promptd.core.optimise.records import Optimised, Piece, Removed
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.words import words
from promptd.protocol.records import Span


class Undo:
    """What can be taken back of one result. `source` is the text before, with the pieces it consists of.

    `weights`: how much the information of a component counts, by id; 1 if it is not there.
    """

    def __init__(
        self,
        source: str,
        pieces: Sequence[Piece],
        result: Optimised,
        tools: Tools,
        weights: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.source, self.pieces, self.result, self.tools = source, pieces, result, tools
        self.weights = weights
        page = read(source)
        self._inventory = inventory_of(page)
        self.patches = patches_of(page, result)
        self.mark = _mark(result, self.patches)
        self.bundles = bundles_of(page, [patch for patch in self.patches if patch is not self.mark])
        missing = self._inventory.words - set(words(result.text))
        for bundle in self.bundles:
            self._weigh(bundle, missing)
        self.bundles.sort(key=Bundle.order)

    def __repr__(self) -> str:
        return f"<Undo of {len(self.bundles)} bundles>"

    def within(
        self, spare: int, never: Container[Bundle] = frozenset()
    ) -> tuple[Sequence[Bundle], Bundle | None]:
        """The bundles of about so many tokens to take back, in that order, and the first that was too large.

        Those that are `never` taken back are left, and what needs them.
        """
        undone: dict[Bundle, None] = {}
        too_large: Bundle | None = None
        for bundle in self.bundles:
            wanted = _closure(bundle, undone)
            cost = sum(each.cost for each in wanted)
            if any(each in never for each in wanted):
                continue
            if cost <= spare:
                spare -= cost
                undone |= dict.fromkeys(sorted(wanted, key=Bundle.order))
            elif too_large is None:
                too_large = bundle
        return list(undone), too_large

    def comes_with(self, bundle: Bundle, undone: Collection[Bundle]) -> int:
        """Tokens of what a bundle needs and that is not taken back yet."""
        return sum(each.cost for each in _closure(bundle, frozenset(undone))) - bundle.cost

    def tokens(self, undone: Collection[Bundle]) -> int:
        """Tokens of the written text with these bundles taken back."""
        return self.tools.count(self._trace(undone)[0].text)

    def without(self, undone: Collection[Bundle]) -> Optimised:
        """The result with these bundles taken back."""
        trace, removed = self._trace(undone)
        return msgspec.structs.replace(
            self.result,
            text=trace.text,
            spans=tuple(trace.current_span(*piece.span) for piece in self.pieces),
            removed=removed,
            quality=compare(self._inventory, inventory(trace.text), self.tools.idf),
            tokens=self.tools.count(trace.text),
            runs=trace.runs,
        )

    def _weigh(self, bundle: Bundle, missing: set[str] | frozenset[str]) -> None:
        count, patches = self.tools.count, bundle.patches
        first, last = patches[0].start, patches[-1].end
        edits = [Edit(each.start - first, each.end - first, each.text) for each in patches]
        written = self.source[first:last]
        dedents = [Edit(each.start - first, each.end - first) for each in bundle.dedents]
        back = Trace.of(written).apply(dedents).text
        bundle.cost = count(back) - count(Trace.of(written).apply(edits).text)
        said = {word for each in patches for word in words(self.source[each.start : each.end])}
        bundle.gain = self.tools.idf.sum(said & missing) * self._weight(first)

    def _weight(self, position: int) -> float:
        """That of the smallest piece that holds a place; pieces come in the order of the text."""
        weight = 1.0
        for piece in self.pieces:
            if piece.id and piece.span[0] <= position < piece.span[1]:
                weight = self.weights.get(piece.id, 1.0)
        return weight

    def _trace(self, undone: Collection[Bundle]) -> tuple[Trace, tuple[Removed, ...]]:
        gone_bundles = frozenset(undone)
        gone = {patch for bundle in undone for patch in bundle.patches}
        left = [patch for patch in self.patches if patch not in gone]
        removed = tuple(self._removed(left))
        if undone and self.mark is not None and not any(each.kind == "drop" for each in removed):
            left.remove(self.mark)  # nothing is shortened any more
        begins = {patch.start for patch in gone}
        edits = [Edit(each.start, self._end(each, begins), each.text) for each in left]
        for bundle in undone:
            if bundle.layout is not None and bundle.layout not in gone_bundles:
                edits += bundle.dedents
        return Trace.of(self.source).apply(ordered(edits)), removed

    def _end(self, patch: Patch, begins: Container[int]) -> int:
        """Where a patch ends; what is left of a line keeps its end if the next line comes back."""
        is_rest = patch.start > 0 and self.source[patch.start - 1] != "\n" and not patch.text
        keeps = is_rest and patch.end in begins and self.source[patch.start : patch.end].endswith("\n")
        return patch.end - keeps

    def _removed(self, left: Sequence[Patch]) -> Iterator[Removed]:
        """What is still removed: of what was taken back in part, the rest."""
        ends = [patch.end for patch in left]
        for removed in self.result.removed:
            start, end = removed.at
            for first, last in joined(_clipped(left[bisect_right(ends, start) :], start, end)):
                if (first, last) == removed.at:
                    yield removed
                    continue
                shift = removed.span[0] - start
                tokens = self.tools.count(self.source[first:last])
                yield msgspec.structs.replace(
                    removed, at=(first, last), span=(first + shift, last + shift), tokens=tokens
                )


def _clipped(patches: Sequence[Patch], start: int, end: int) -> Iterator[Span]:
    """The parts of [start, end) that patches cover."""
    for patch in patches:
        if patch.start >= end:
            return
        yield max(patch.start, start), min(patch.end, end)


def _closure(bundle: Bundle, undone: Container[Bundle]) -> set[Bundle]:
    """A bundle with all that it needs and that is not taken back yet."""
    found: set[Bundle] = set()
    stack = [bundle]
    while stack:
        each = stack.pop()
        if each not in found and each not in undone:
            found.add(each)
            stack += each.needs
    return found


def _mark(result: Optimised, patches: Sequence[Patch]) -> Patch | None:
    """The patch that put in the mark of a shortened text, if one did."""
    if not is_shortened(result.text):
        return None
    ends = (patches[0], patches[-1]) if patches else ()
    return next((each for each in ends if is_shortened(each.text)), None)
