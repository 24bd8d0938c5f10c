"""Lead-ins: text that ends in a colon, and what it leads to. Without that it says nothing."""

from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.units import is_lead

_ASIDE = ("comment", "rule")


def followers(page: Page, block: Block) -> list[Block]:
    """What a paragraph or item that ends in a colon leads to.

    For an item what is below it, or the next one if nothing is; for a paragraph the list after it, or the one
    block that is no list.
    """
    if block.kind not in ("paragraph", "item") or not is_lead(page.text[block.start : block.head]):
        return []
    below = [child for child in block.children if child.kind not in _ASIDE]
    return below or _after(page, block)


def _after(page: Page, block: Block) -> list[Block]:
    found: list[Block] = []
    siblings = block.parent.children if block.parent is not None else []
    for each in map(siblings.__getitem__, range(page.place(block) + 1, len(siblings))):
        if each.kind in _ASIDE:
            continue
        if each.kind != "item":
            return found or [each]
        found.append(each)
        if block.kind == "item":
            return found
    return found
