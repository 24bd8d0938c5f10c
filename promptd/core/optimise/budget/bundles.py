"""Bundles: the patches that only make sense together, and what must be there before each.

The layout of one block is one bundle, an element's two tags are, and the indentation of the blocks between
two headings or tags. What stands below a heading, an item or a lead-in needs that to be there again first.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from promptd.core.optimise.budget.patches import Patch
from promptd.core.optimise.edits import Edit
from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.units import led

_CONTAINERS = ("root", "section", "element")
_ONE_THING = ("code", "table")  # blocks that are changed as a whole or not at all


@dataclass(slots=True, eq=False)
class Bundle:
    """Patches that are taken back together. `cost` in tokens, `gain` in nats of information."""

    patches: list[Patch]
    cost: int = 0
    gain: float = 0.0
    needs: "set[Bundle]" = field(default_factory=set)
    layout: "Bundle | None" = None  # as long as that stands, `dedents` are made in what comes back
    dedents: list[Edit] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Bundle of {len(self.patches)} patches, {self.cost} tokens>"

    @property
    def start(self) -> int:
        """Where its first patch begins in the source."""
        return self.patches[0].start

    def order(self) -> tuple[float, bool, int]:
        """Most information per token first, then whole units, then as they are written."""
        return -self.gain / max(self.cost, 1), not self.patches[0].is_unit, self.start


class _Map:
    """Which block's own lines each place of a page belongs to, and which blocks are laid out together."""

    def __init__(self, page: Page) -> None:
        owned = sorted(
            [(block.start, n, block) for n, block in enumerate(page.root.walk()) if block.kind != "root"]
            + [(block.foot, -1, block) for block in page.root.walk() if block.kind == "element"],
            key=lambda item: item[:2],
        )
        self.starts = [start for start, _, _ in owned]
        self.owners = [block for _, _, block in owned] or [page.root]
        self.leads = {follower: block for block in self.owners for follower in led(page, block)}
        self.runs: dict[Block, int] = {}
        number = 0
        for parent in page.root.walk():
            number += 1
            for child in parent.children if parent.kind in _CONTAINERS else ():
                number += child.kind in _CONTAINERS
                self.runs[child] = number
                number += child.kind in _CONTAINERS

    def owners_of(self, patch: Patch) -> Sequence[Block]:
        """The blocks whose own lines a patch touches."""
        first = max(bisect_right(self.starts, patch.start) - 1, 0)
        last = max(bisect_right(self.starts, max(patch.end - 1, patch.start)), first + 1)
        return self.owners[first:last]

    def run_of(self, block: Block) -> int:
        """The number of the run of blocks, between two headings or tags, that a block stands in."""
        while block.parent is not None and block.parent.kind not in _CONTAINERS:
            block = block.parent
        return self.runs.get(block, 0)


def bundles_of(page: Page, patches: Sequence[Patch]) -> list[Bundle]:
    """All bundles of the patches of a page, with what they need; without cost and gain."""
    return _Bundler(page, patches).bundles()


class _Bundler:
    def __init__(self, page: Page, patches: Sequence[Patch]) -> None:
        self.page, self.patches = page, patches
        self.places = _Map(page)
        self.owners = [self.places.owners_of(patch) for patch in patches]
        self.groups = _Groups(len(patches))
        self.indented = self._indented()
        self.dedents: dict[int, tuple[int, list[Edit]]] = {}  # patch -> run, what is done if it comes back

    def bundles(self) -> list[Bundle]:
        for index, owners in enumerate(self.owners):
            for block in owners:
                self._put(index, block)
        found: dict[int, Bundle] = {}
        for index, patch in enumerate(self.patches):
            found.setdefault(self.groups.find(index), Bundle([])).patches.append(patch)
        for index, (run, edits) in self.dedents.items():
            bundle = found[self.groups.find(index)]
            bundle.layout = bundle.layout or found[self.groups.of(run)]
            bundle.dedents += edits
        of = [found[self.groups.find(index)] for index in range(len(self.patches))]
        _note_needs(self.patches, self.owners, of, self.places)
        return list(found.values())

    def _indented(self) -> dict[int, set[int]]:
        """Of each run with lines that are less indented now, by how many characters they are."""
        found: dict[int, set[int]] = defaultdict(set)
        for patch, owners in zip(self.patches, self.owners, strict=True):
            for block in owners if _is_indentation(self.page.text, patch) else ():
                found[self.places.run_of(block)].add(patch.end - patch.start)
        return found

    def _put(self, index: int, block: Block) -> None:
        """Put a patch of a block where it belongs."""
        patch, run = self.patches[index], self.places.run_of(block)
        if run in self.indented:
            edits = _dedents(self.page.text, patch, self.indented[run])
            if edits is None:
                self.groups.put(index, run)
            else:
                self.dedents[index] = run, edits
        if not patch.is_unit or block.kind in _ONE_THING:
            self.groups.put(index, block)
        elif block.kind == "element":
            self.groups.put(index, (block, "tags"))


def _dedents(text: str, patch: Patch, by: set[int]) -> list[Edit] | None:
    """How a removed unit comes back as little indented as what is around it; None if nobody knows."""
    if not patch.is_unit or len(by) != 1:
        return None
    width = max(by)
    found = []
    start = patch.start if not patch.start or text[patch.start - 1] == "\n" else _next_line(text, patch.start)
    while start < patch.end:
        end = _next_line(text, start)
        line = text[start : min(end, patch.end)]
        if line.strip() and line[:width].strip():
            return None
        if line.strip():
            found.append(Edit(start, start + width))
        start = end
    return found


def _next_line(text: str, position: int) -> int:
    return text.find("\n", position) + 1 or len(text)


def _is_indentation(text: str, patch: Patch) -> bool:
    """True for white space at the beginning of a line."""
    is_first = not patch.start or text[patch.start - 1] == "\n"
    written = text[patch.start : patch.end]
    return is_first and bool(written) and not written.strip() and "\n" not in written


class _Groups:
    """Union-find over indexes: what is put under one key is one group."""

    def __init__(self, size: int) -> None:
        self._above = list(range(size))
        self._by_key: dict[object, int] = {}

    def put(self, index: int, key: object) -> None:
        first = self._by_key.setdefault(key, index)
        self._above[self.find(index)] = self.find(first)

    def of(self, key: object) -> int:
        """The group of what was put under a key."""
        return self.find(self._by_key[key])

    def find(self, index: int) -> int:
        while self._above[index] != index:
            self._above[index] = index = self._above[self._above[index]]
        return index


def _note_needs(
    patches: Sequence[Patch], owners: Sequence[Sequence[Block]], of: Sequence[Bundle], places: _Map
) -> None:
    """What is above a removed unit has to be there before it: headings, tags, items, lead-ins."""
    heads: dict[Block, set[Bundle]] = defaultdict(set)  # block -> what took its first own line away
    for patch, found, bundle in zip(patches, owners, of, strict=True):
        for block in found:
            if patch.is_unit and patch.start <= block.start < patch.end:
                heads[block].add(bundle)
    for patch, found, bundle in zip(patches, owners, of, strict=True):
        for block in found if patch.is_unit else ():
            for above in _above(block, patch, places):
                bundle.needs |= heads[above] - {bundle} if above in heads else set()


def _above(block: Block, patch: Patch, places: _Map) -> Iterator[Block]:
    if block.kind == "item" and patch.start > block.start:
        yield block
    each: Block | None = block
    while each is not None:
        if each in places.leads:
            yield places.leads[each]
        each = each.parent
        if each is not None:
            yield each
