"""Duplicates: blocks and items that occur before, word for word or nearly, are removed; the first stays.

Word for word means equal after case, punctuation and white space are folded; literals (code, paths,
numbers, …) must be equal as they are written. The largest duplicate is removed: a whole component, element
or section before its items. Nearly means an Indel ratio of at least `aims.similarity` (rapidfuzz), the same
literals, the same instructing and negating words, and no word that occurs nowhere else.

Equal text is a duplicate only in like company: under "Don't" the same words mean the opposite. Code is a
duplicate only together with what precedes it, since steps say the same command twice for a reason.
"""

from collections import Counter
from collections.abc import Iterator

from rapidfuzz import fuzz, process

from promptd.core.optimise.edits import Edit
from promptd.core.optimise.instructing import guard_words
from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.passes.emptied import emptied
from promptd.core.optimise.units import (
    Company,
    anchors_of,
    folded,
    spoken,
)

ComparisonKey = tuple[object, ...]


def repeats(page: Page, context: Context) -> Iterator[Edit]:
    """Remove blocks that occur before word for word."""
    yield from _with_emptied(page, _Exact(page, context).find())


def near_repeats(page: Page, context: Context) -> Iterator[Edit]:
    """Remove paragraphs and items that occur before but for a few letters."""
    yield from _with_emptied(page, _Near(page, context).find())


def _with_emptied(page: Page, found: Iterator[tuple[Block, Block, str]]) -> Iterator[Edit]:
    removed: set[Block] = set()
    for block, original, reason in found:
        removed.add(block)
        yield Edit(block.start, block.end, "", "repeat", reason, (original.start, original.end))
    for block in emptied(page, removed):
        yield Edit(block.start, block.end, "", "emptied", "everything below it was removed")


class _Exact:
    def __init__(self, page: Page, context: Context) -> None:
        self.page = page
        self.min_words = context.aims.min_words
        self.company = Company(page)
        self.keys: dict[Block, int] = {}
        self.weights: dict[Block, int] = {}
        self.ids: dict[ComparisonKey, int] = {}
        self.first: dict[tuple[int, int, bool], Block] = {}

    def find(self) -> Iterator[tuple[Block, Block, str]]:
        """The blocks to remove with their first occurrence."""
        for block in reversed(list(self.page.root.walk())):
            self.sign(block)
        stack = list(reversed(self.page.root.children))
        while stack:
            block = stack.pop()
            original = self.duplicate_of(block)
            if original is not None:
                yield block, original, "duplicate"
            else:
                stack.extend(reversed(block.children))

    def sign(self, block: Block) -> None:
        """Give a block the number of what it says; children have theirs already."""
        below = [child for child in block.children if child.kind not in ("comment", "rule")]
        own_text = folded(self.page, block)
        key: ComparisonKey = (block.kind, block.name if block.kind == "element" else "", own_text)
        key += tuple(self.keys[child] for child in below)
        self.keys[block] = self.ids.setdefault(key, len(self.ids))
        self.weights[block] = len(own_text.split()) + sum(self.weights[child] for child in below)

    def duplicate_of(self, block: Block) -> Block | None:
        """The first block that says the same, if this one is another."""
        if self.weights[block] < self.min_words or not self.may_go(block):
            return None
        key = (self.keys[block], self.context_of(block), self.company.is_negative(block))
        first = self.first.setdefault(key, block)
        return None if first is block else first

    def context_of(self, block: Block) -> int:
        """For code what stands before it, which says what it is for; nothing for what speaks for itself."""
        if block.kind != "code" or block.parent is None:
            return -1
        place = self.page.place(block)
        if place:
            return self.keys[block.parent.children[place - 1]]
        key: ComparisonKey = (block.parent.kind, folded(self.page, block.parent))
        return self.ids.setdefault(key, len(self.ids))

    def may_go(self, block: Block) -> bool:
        if block.kind in ("rule", "comment") or (block.kind == "tag" and not is_listed(block)):
            return False
        return self.page.is_removable(block.start, block.end)


def is_listed(block: Block) -> bool:
    """True for one of several lines like `<file>…</file>` that make up an element: a list in XML's way."""
    siblings = block.parent.children if block.parent is not None else []
    is_list = len(siblings) > 1 and all(each.kind == "tag" for each in siblings)
    return is_list and len({each.name for each in siblings}) == 1 and bool(block.name)


MAX_COMPARED_CHARS = 2_000  # longer texts are equal or not
MAX_GROUP = 200  # texts of one kind that another is compared with: the latest


class _Near:
    def __init__(self, page: Page, context: Context) -> None:
        self.page = page
        self.aims = context.aims
        self.company = Company(page)
        self.standing = Counter(spoken(page))

    def find(self) -> Iterator[tuple[Block, Block, str]]:
        """The leaves to remove with what nearly says the same."""
        groups: dict[tuple[object, ...], list[tuple[str, Block]]] = {}
        for block in self.page.root.walk():
            own_text = folded(self.page, block) if self.is_leaf(block) else ""
            if len(own_text.split()) <= self.aims.min_words:
                continue
            text = self.page.text[block.start : block.end]
            kin = (guard_words(text), anchors_of(self.page, block), self.company.is_negative(block))
            group = groups.setdefault(kin, [])
            original = self.duplicate_of(own_text, group)
            if original is not None:
                yield block, original, f"near duplicate (similarity ≥ {self.aims.similarity:g})"
            else:
                group.append((own_text, block))

    def is_leaf(self, block: Block) -> bool:
        is_kind = block.kind in ("item", "paragraph", "quote") and not block.children
        return is_kind and self.page.is_removable(block.start, block.end)

    def duplicate_of(self, own_text: str, group: list[tuple[str, Block]]) -> Block | None:
        del group[:-MAX_GROUP]
        found = process.extractOne(
            own_text if len(own_text) <= MAX_COMPARED_CHARS else "",
            [other if len(other) <= MAX_COMPARED_CHARS else None for other, _ in group],
            scorer=fuzz.ratio,
            score_cutoff=100 * self.aims.similarity,
        )
        if found is None:
            return None
        mine = Counter(own_text.split())
        lost = mine.keys() - set(group[found[2]][0].split())
        if any(self.standing[word] <= mine[word] for word in lost):
            return None
        self.standing -= mine
        return group[found[2]][1]
