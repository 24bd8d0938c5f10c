"""Repeats: sections and elements that occur before, under their own name and word for word; the first stays.

What is compared is what a reader reads: every character as it is written, but for the indentation that all
lines share, white space at the ends of lines, blank lines and comments. Paragraphs, list items and lines of
tags are never repeats by themselves: said a second time they are a step, a turn of a dialogue, a refrain, or
about something else.

A section or element goes as a whole only where nothing but itself could be meant: next to the first one; as
the last part of a container of which that is the first part; or as all that a component says which is
included twice. Among other parts it is a pause, a refrain or a turn, which has its place (squats, rest,
lunges, rest). No lead-in may stand before it, nor may it be one of several different elements of one name, or
part of an example, a dialogue or a sequence. A large one elsewhere keeps its name, and its body becomes one
line that names what says the same. What vouches for a repeat is the first of its kind: it is never touched
here, and `least_informative` leaves it alone as well.
"""

import re
from collections.abc import Iterator

from promptd.core.optimise.edits import Edit
from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.units import is_lead
from promptd.protocol.records import Span

MIN_REFERRED = 60  # words of a body that a line of reference is worth
MAX_NAME = 120  # characters of a name that a reference may have
_LOOK_INSIDE = 3  # levels that are searched for a name which nothing else has

# Containers whose parts stand where they stand for a reason.
_EXAMPLE = re.compile(
    r"(?<![a-z])(?:examples?|samples?|dialog(?:ue)?s?|conversations?|transcripts?|songs?|verses?|chorus|refrain"
    r"|lyrics|poems?)(?![a-z])|\A\s*<(?:turn|message|user|assistant|human|system|input|output|question|answer|q|a)\b"
    r"|\A\s*+#++\W*+(?:user|assistant|human|system|agent|customer|client|bot|you|me|question|answer)\W*+\Z",
    re.IGNORECASE,
)
_SEQUENCE = re.compile(
    r"\b(?:steps?|phases?|stages?|procedures?|workflows?|process|sequences?|order|rounds?|timeline|schedule"
    r"|runbook|recipes?)\b|\A\W*\d+[.)]",
    re.IGNORECASE,
)
_NO_NAME = re.compile(r"[{}$@%<>|\[\]\n]")  # a reference may hold no placeholder, tag or cell
_NO_CONTENT = ("comment", "rule")


def repeats(page: Page, context: Context) -> Iterator[Edit]:
    """Remove sections and elements that occur before; large ones elsewhere become a line of reference."""
    yield from _Repeats(page, context).find()


class _Repeats:
    def __init__(self, page: Page, context: Context) -> None:
        self.page = page
        self.min_words = context.aims.min_words
        self.components = {self.trimmed(*span): id for span, id in context.components.items()}
        self.keys: dict[Block, int] = {}  # equal for blocks that read the same
        self.weights: dict[Block, int] = {}  # words
        self.numbers: dict[tuple[object, ...], int] = {}
        self.named: dict[str, set[int]] = {}  # the keys of all containers of a name
        self.first: dict[int, Block] = {}
        self.ends: dict[Block, tuple[Block, Block]] = {}  # the first and last parts of containers
        for block in reversed(list(page.root.walk())):
            self.sign(block)

    def sign(self, block: Block) -> None:
        """Give a block the number of what it says; what it holds has its number already."""
        inner = [child for child in block.children if child.kind not in _NO_CONTENT]
        head, foot = self.own_text(block)
        key = (block.kind, head, foot, *(self.keys[child] for child in inner))
        self.keys[block] = self.numbers.setdefault(key, len(self.numbers))
        self.weights[block] = len(head.split()) + sum(self.weights[child] for child in inner)
        if block.kind in ("section", "element"):
            self.named.setdefault(self.name(block), set()).add(self.keys[block])

    def own_text(self, block: Block) -> tuple[str, str]:
        """What a block says itself at its head and its foot, as it is written."""
        if block.kind == "root":
            return "", ""
        text = self.page.text
        foot = text[block.foot : block.end].strip() if block.kind == "element" else ""
        lines = text[block.start : block.head].rstrip().split("\n")
        if block.kind != "code":
            lines = [line.rstrip() for line in lines]
        margin = min((len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()), default=0)
        return "\n".join(line[margin:] for line in lines), foot

    def indent(self, block: Block) -> int:
        line = self.page.text[block.start : block.head]
        return len(line) - len(line.lstrip(" \t"))

    def name(self, block: Block) -> str:
        """The text of a heading, or what is between the brackets of an opening tag."""
        head = self.page.text[block.start : block.head].strip()
        return head.strip("#").strip() if block.kind == "section" else head.strip("<>").strip()

    def find(self) -> Iterator[Edit]:
        """The edits, for the largest repeats first: nothing inside a repeat is looked at again."""
        stack = [(child, False) for child in reversed(self.page.root.children)]
        while stack:
            block, is_step = stack.pop()
            head = self.page.text[block.start : min(block.head, block.start + MAX_NAME)]
            if block.kind in ("item", "quote") or _EXAMPLE.search(head):
                continue  # parts of these repeat nothing, and nothing repeats them
            is_step = is_step or _SEQUENCE.search(head) is not None
            edits = self.repeat(block, is_step) if block.kind in ("section", "element") else []
            yield from edits
            if not edits:
                stack.extend((child, is_step) for child in reversed(block.children))

    def repeat(self, block: Block, is_step: bool) -> list[Edit]:
        """What becomes of a section or element: nothing if it is the first of its kind or may not go."""
        first = self.first.setdefault(self.keys[block], block)
        if first is block or is_step or not self.page.is_removable(block.start, block.end):
            return []
        is_same = self.is_beside(first, block) or self.is_component_of(first, block)
        if is_same and self.weights[block] >= self.min_words and self.may_go(block):
            return [Edit(block.start, block.end, "", "repeat", "duplicate", (first.start, first.end))]
        return self.reference(block, first)

    def is_beside(self, first: Block, block: Block) -> bool:
        """True if a block follows its like, or it is the last part of what begins with the first one."""
        parent = block.parent
        if parent is None or first.parent is not parent:
            return False
        place = self.page.place(block) - 1
        while parent.children[place].kind in _NO_CONTENT:
            place -= 1
        if parent not in self.ends:
            parts = [each for each in parent.children if each.kind in ("section", "element")]
            self.ends[parent] = (parts[0], parts[-1])
        return self.keys[parent.children[place]] == self.keys[block] or self.ends[parent] == (first, block)

    def is_component_of(self, first: Block, block: Block) -> bool:
        """True if both are all that the same component says: it was included twice."""
        id = self.components.get(self.trimmed(first.start, first.end))
        return id is not None and id == self.components.get(self.trimmed(block.start, block.end))

    def trimmed(self, start: int, end: int) -> Span:
        """A span without the white space around it."""
        text = self.page.text[start:end]
        return start + len(text) - len(text.lstrip()), start + len(text.rstrip())

    def may_go(self, block: Block) -> bool:
        """True if beside the first one a reader misses nothing: no lead-in before it, no list of elements."""
        siblings = block.parent.children if block.parent is not None else []
        place = self.page.place(block)
        before = siblings[place - 1] if place else None
        if before is not None and is_lead(self.page.text[before.start : before.end]):
            return False
        return block.kind == "section" or not self.is_one_of_several(block, siblings)

    def is_one_of_several(self, block: Block, siblings: list[Block]) -> bool:
        """True for `<rule>` among other rules that say something else: they are a list, in its order."""
        alike = (each for each in siblings if each.name == block.name and each.kind in ("element", "tag"))
        return any(self.keys[each] != self.keys[block] for each in alike)

    def reference(self, block: Block, first: Block) -> list[Edit]:
        """The body of a large repeat gives way to one line with the name of what says the same."""
        name = self.unique_name(block)
        end = block.foot if block.kind == "element" else block.end
        if self.weights[block] < MIN_REFERRED or not name or not block.children:
            return []
        indent = self.page.text[block.start : block.start + self.indent(block)]
        line = f"{indent}(Same text as above: {name})\n"
        reason = f"duplicate; replaced by a reference to {name!r} above"
        at = (first.head, first.foot if first.kind == "element" else first.end)
        return [Edit(block.head, end, "", "repeat", reason, at), Edit(end, end, line)]

    def unique_name(self, block: Block) -> str:
        """A name that only this text has: its own, or that of the first container inside it."""
        for _ in range(_LOOK_INSIDE):
            name = self.name(block)
            is_plain = 0 < len(name) <= MAX_NAME and not _NO_NAME.search(name)
            if is_plain and self.named[name] == {self.keys[block]}:
                return name
            inner = [child for child in block.children if child.kind in ("section", "element")]
            if not inner:
                break
            block = inner[0]
        return ""
