"""Lead-ins: text that ends in a colon, and what it leads to. Without that it says nothing."""

from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.units import is_lead


def followers(page: Page, block: Block) -> list[Block]:
    """What a paragraph or item that ends in a colon leads to: the list below or after it, or one block."""
    if block.kind not in ("paragraph", "item") or not is_lead(page.text[block.start : block.head]):
        return []
    below = [child for child in block.children if child.kind not in ("comment", "rule")]
    if below and block.kind == "item":
        return below
    found: list[Block] = []
    siblings = block.parent.children[page.place(block) + 1 :] if block.parent is not None else []
    for each in siblings:
        if each.kind == "comment":
            continue
        if found and each.kind != "item":
            break
        found.append(each)
        if each.kind != "item":
            break
    return found
