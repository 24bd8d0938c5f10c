"""Emptied blocks: headings, bare elements and lead-ins below which everything was removed.

Only what *became* empty: what its author left empty stays. So does an emptied block with a word that occurs
nowhere else, with a literal, or with an instruction: removing a repeat never costs information.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from promptd.core.optimise.instructing import is_instructing
from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.units import is_bare_tag, led, spoken
from promptd.core.optimise.words import words

_IGNORED = ("comment", "rule")


def emptied(page: Page, removed: Collection[Block]) -> Iterator[Block]:
    """The blocks that hold only removed ones, the outermost of each, without `removed` themselves."""
    if not removed:
        return
    finder = _Finder(page, removed)
    finder.find()
    for block in page.root.walk():
        if block in finder.emptied and block.parent not in finder.gone:
            yield block


class _Finder:
    def __init__(self, page: Page, removed: Collection[Block]) -> None:
        self.page = page
        self.gone = set(removed)
        self.emptied: set[Block] = set()
        self.standing = Counter(spoken(page))
        for block in removed:
            self.standing.subtract(words(page.text[block.start : block.end]))

    def find(self) -> None:
        """From below, so that an emptied block can empty its parent. Lead-ins go before their parents."""
        for block in reversed(list(self.page.root.walk())):
            children = [child for child in block.children if child.kind not in _IGNORED]
            if block in self.gone or not any(child in self.gone for child in children):
                continue
            for child in children:
                if child not in self.gone and self.leads_nowhere(child):
                    self.take(child, self.page.text[child.start : child.end])
            if self.is_empty(block, children):
                self.take(block, self.own_text(block))

    def leads_nowhere(self, block: Block) -> bool:
        """True for a lead-in whose list, or whose one block, has gone."""
        followers = led(self.page, block)
        if not followers or not self.may_go(block.start, block.end):
            return False
        return all(each in self.gone for each in followers)

    def is_empty(self, block: Block, children: list[Block]) -> bool:
        if block.kind not in ("element", "section") or not all(child in self.gone for child in children):
            return False
        if not self.page.is_removable(block.start, block.end):
            return False
        if block.kind == "element":
            return is_bare_tag(self.page.text[block.start : block.head]) and self.is_said(
                self.own_text(block)
            )
        return self.may_go(block.start, block.head)

    def may_go(self, start: int, end: int) -> bool:
        is_free = self.page.is_free(start, end) and not is_instructing(self.page.text[start:end])
        return is_free and self.is_said(self.page.text[start:end])

    def own_text(self, block: Block) -> str:
        """Its heading, or both its tags: the one does not stand elsewhere because of the other."""
        text = self.page.text
        foot = text[block.foot : block.end] if block.kind == "element" else ""
        return f"{text[block.start : block.head]} {foot}"

    def is_said(self, text: str) -> bool:
        """True if every word stands elsewhere too."""
        own = Counter(words(text))
        return all(self.standing[word] > times for word, times in own.items())

    def take(self, block: Block, text: str) -> None:
        self.gone.add(block)
        self.emptied.add(block)
        self.standing.subtract(words(text))
