"""The blocks of an assembled prompt: elements, sections, lists, paragraphs, code, tables, each with its span.

Prompts are Markdown inside XML-shaped elements, indented as XML is; CommonMark reads most of that as opaque
HTML or as indented code. So this is our own reading, line by line in one pass: an *element* runs from a
line that is an opening tag to the line that closes it, a *section* from a heading to the next of its level
or the end of its element, an *item* from its marker to the next line that is not indented deeper. Spans are
whole lines. Every line belongs to exactly one leaf or is the head or foot of one container.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promptd.core.optimise.anchors import anchors
from promptd.core.optimise.page import Anchor, Block, BlockKind, Page

_OPEN = re.compile(r"[ \t]*<(?P<name>[A-Za-z][\w:.-]*)(?:\s[^<>]*)?(?<!/)>\s*\Z")
_CLOSE = re.compile(r"[ \t]*</(?P<name>[A-Za-z][\w:.-]*)\s*>\s*\Z")
_TAG_LINE = re.compile(
    r"[ \t]*(?:<[/A-Za-z!?][^<>]*>|<(?P<name>[A-Za-z][\w:.-]*)(?:\s[^<>]*)?>.*</(?P=name)>)\s*\Z"
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_TAGS = re.compile(r"[ \t]*(?:(?:</[A-Za-z][\w:.-]*>){2,}|(?:<[A-Za-z][^<>\n]*(?<!/)>){2,})[ \t]*\r?\n?\Z")
_TAG = re.compile(r"(?<![ \t])[ \t]*+<[^<>]*>(?:[ \t]*\r?\n)?")
_HEADING = re.compile(r"[ \t]*(?P<level>#{1,6})(?:[ \t]|$)")
_ITEM = re.compile(r"(?P<indent>[ \t]*)(?P<marker>[-*+]|\d{1,9}[.)])(?P<gap>[ \t]+)\S")
_RULE = re.compile(r"[ \t]*(?:(?:-[ \t]*+){3,}+|(?:\*[ \t]*+){3,}+|(?:_[ \t]*+){3,}+|[═━─=]{3,}+)\s*\Z")
_CODE_INDENT = re.compile(r"(?: {4}| {0,3}\t)")
_LEAD = re.compile(r":[*_ \t]*\r?\n?\Z")
CODE_COLUMNS = 4  # CommonMark: indented so far, a line is code


def read(text: str, frozen: Sequence[tuple[int, int]] = ()) -> Page:
    """Read a text into blocks. `frozen` spans are kept as they are. Linear; any text has a reading."""
    found = anchors(text, frozen)
    return Page(text, found, _BlockReader(text, found).read())


@dataclass(slots=True)
class _Line:
    start: int
    end: int
    text: str
    solid: Anchor | None = None  # the code, comment or keep region the line begins in or consists of
    indent: int = 0


def _lines(text: str, found: Sequence[Anchor]) -> list[_Line]:
    """Lines with the large anchor that each begins in; the lines of one fence carry the same anchor."""
    large = [anchor for anchor in found if anchor.kind in ("code", "comment", "keep")]
    lines: list[_Line] = []
    position = index = 0
    for raw in _split(text):
        end = position + len(raw)
        while index < len(large) and large[index].end <= position:
            index += 1
        line = _Line(position, end, raw, indent=_columns(raw))
        if index < len(large):
            line.solid = _solid(large[index], line)
        lines.append(line)
        position = end
    return lines


def _split(text: str) -> Iterator[str]:
    """Lines with their endings; a line of several opening or several closing tags counts as one line each."""
    for line in _LINE.finditer(text):
        raw = line[0]
        if "><" in raw and _TAGS.match(raw):
            yield from _TAG.findall(raw)
        else:
            yield raw


def _columns(raw: str) -> int:
    blank = raw[: len(raw) - len(raw.lstrip(" \t"))]
    return len(blank.expandtabs(4))


def _solid(anchor: Anchor, line: _Line) -> Anchor | None:
    """The anchor if the line begins inside it, or if it begins the line and runs over its end."""
    if anchor.start < line.start:
        return anchor
    inner = line.text.rstrip()
    begins = anchor.start <= line.start + len(line.text) - len(line.text.lstrip())
    return anchor if begins and anchor.end >= line.start + len(inner) and inner else None


class _BlockReader:
    def __init__(self, text: str, found: Sequence[Anchor]) -> None:
        self.text = text
        self.lines = _lines(text, found)
        self.closers = _pair(self.lines)
        self.root = Block("root", 0, len(text), 0)
        self.stack = [self.root]
        self.leaf: Block | None = None  # the leaf that the next line may continue
        self.was_blank = False
        self.margins: dict[Block, int] = {}  # element -> the column of its first line

    def read(self) -> Block:
        for number, line in enumerate(self.lines):
            if not line.text.strip() and line.solid is None:
                self.was_blank = True
                if self.leaf is None or self.leaf.kind != "code":
                    self.leaf = None
                continue
            self.line(number, line)
            self.was_blank = False
        self.close_to(1, len(self.text))
        return self.root

    # -- one line -----------------------------------------------------------------------------

    def line(self, number: int, line: _Line) -> None:
        if self.stack[-1].kind == "element":
            self.margins.setdefault(self.stack[-1], line.indent)
        if line.solid is not None:
            self.solid(line)
        elif number in self.closers:
            self.tag(number, line)
        elif _HEADING.match(line.text) and self.is_heading(line):
            self.heading(line)
        elif _RULE.match(line.text):
            self.outdent(line)
            self.add("rule", line)
        elif (item := _ITEM.match(line.text)) and not self.is_indented_code(line):
            self.item(line, item)
        else:
            self.prose(line)

    def solid(self, line: _Line) -> None:
        anchor = line.solid
        if self.leaf is not None and anchor is not None and anchor.start < line.start:
            self.extend(line)  # the anchor began on a line before
            return
        if anchor is not None and anchor.kind == "code" and self.is_span(anchor, line):
            self.prose(line)
            return
        self.outdent(line)
        self.add("comment" if anchor is not None and anchor.kind == "comment" else "code", line)

    def is_span(self, anchor: Anchor, line: _Line) -> bool:
        """True if the anchor is a code span and not a block of code."""
        opening = self.text[anchor.start : anchor.end].lstrip(" \t>-*+0123456789.)")
        return opening.startswith("`") and not opening.startswith("```")

    def tag(self, number: int, line: _Line) -> None:
        partner = self.closers[number]
        if partner > number:
            self.outdent(line)
            while self.stack[-1].kind == "item":
                self.close_to(len(self.stack) - 1, line.start)
            match = _OPEN.match(line.text)
            self.open("element", line, name=match["name"] if match else "", level=line.indent)
            return
        depth = next(n for n in range(len(self.stack) - 1, 0, -1) if self.stack[n].kind == "element")
        self.close_to(depth + 1, line.start)
        element = self.stack.pop()
        element.foot, element.end = line.start, line.end
        self.leaf = None

    def is_heading(self, line: _Line) -> bool:
        """`# x` in indented text is a comment, unless it begins a block in the column of its element."""
        if not line.indent:
            return True
        if self.stack[-1].kind == "item" and line.indent > self.stack[-1].level:
            return False
        around = next((block for block in reversed(self.stack) if block.kind == "element"), None)
        if around is None:
            return line.indent < CODE_COLUMNS
        return self.leaf is None and line.indent <= self.margins.get(around, line.indent)

    def heading(self, line: _Line) -> None:
        match = _HEADING.match(line.text)
        level = len(match["level"]) if match else 1
        while self.stack[-1].kind == "item" or (
            self.stack[-1].kind == "section" and self.stack[-1].level >= level
        ):
            self.close_to(len(self.stack) - 1, line.start)
        self.open("section", line, level=level)

    def item(self, line: _Line, match: re.Match[str]) -> None:
        while self.stack[-1].kind == "item" and line.indent <= self.stack[-1].level:
            self.close_to(len(self.stack) - 1, line.start)
        self.open("item", line, level=line.indent, name=match["marker"])
        self.leaf = self.stack[-1]

    def prose(self, line: _Line) -> None:
        kind = self.kind_of(line)
        if self.leaf is not None and self.continues(kind, self.leaf, line):
            self.extend(line)
            return
        self.outdent(line)
        self.add(kind, line)

    def kind_of(self, line: _Line) -> BlockKind:
        stripped = line.text.lstrip()
        if stripped.startswith("|"):
            return "table"
        if stripped.startswith(">"):
            return "quote"
        if _TAG_LINE.match(line.text):
            return "tag"
        return "code" if self.is_indented_code(line) else "paragraph"

    def is_indented_code(self, line: _Line) -> bool:
        """Four columns after a blank line, outside elements and lists: inside them it is prose."""
        if not _CODE_INDENT.match(line.text) or self.in_markup():
            return False
        return self.was_blank or (self.leaf is not None and self.leaf.kind == "code")

    def in_markup(self) -> bool:
        top = self.stack[-1]
        return top.in_element or top.depth > 0 or top.kind in ("element", "item")

    def continues(self, kind: BlockKind, leaf: Block, line: _Line) -> bool:
        """True if a line goes on with the leaf before it; without indentation only outside elements.

        A line at the margin that ends in a colon is the lead-in of a list, not the end of an item.
        """
        if leaf.kind == "item":
            is_lazy = not leaf.in_element and not _LEAD.search(line.text)
            return kind == "paragraph" and not self.was_blank and (is_lazy or line.indent > leaf.level)
        return kind == leaf.kind and kind not in ("tag", "rule")

    # -- the tree -----------------------------------------------------------------------------

    def outdent(self, line: _Line) -> None:
        """Close the items that a line does not belong to, being indented no deeper than they."""
        while self.stack[-1].kind == "item" and line.indent <= self.stack[-1].level:
            self.close_to(len(self.stack) - 1, line.start)

    def add(self, kind: BlockKind, line: _Line) -> None:
        match = _TAG_LINE.match(line.text) if kind == "tag" else None
        name = (match["name"] if match else "") or ""
        leaf = Block(kind, line.start, line.end, line.end, line.indent, name=name)
        self.leaf = self.stack[-1].adopt(leaf)

    def open(self, kind: BlockKind, line: _Line, *, level: int, name: str = "") -> None:
        block = Block(kind, line.start, line.end, line.end, level, name=name)
        self.stack.append(self.stack[-1].adopt(block))
        self.leaf = None

    def extend(self, line: _Line) -> None:
        if self.leaf is not None:
            self.leaf.end = line.end
            if self.leaf.kind == "item":
                self.leaf.head = line.end
            else:
                self.leaf.head = line.end

    def close_to(self, depth: int, end: int) -> None:
        """Close containers until `depth` are left; each ends where its last child does, or its head."""
        while len(self.stack) > depth:
            block = self.stack.pop()
            last = block.children[-1].end if block.children else block.head
            block.end = max(block.head, last)
        self.leaf = None


def _pair(lines: Sequence[_Line]) -> dict[int, int]:
    """Lines that are one opening or closing tag, with the line of their partner; others are left out."""
    pairs: dict[int, int] = {}
    open_at: list[tuple[str, int]] = []
    names: dict[str, int] = {}
    for number, line in enumerate(lines):
        if line.solid is not None or "<" not in line.text:
            continue
        if match := _OPEN.match(line.text):
            open_at.append((match["name"], number))
            names[match["name"]] = names.get(match["name"], 0) + 1
        elif (match := _CLOSE.match(line.text)) and names.get(match["name"]):
            while True:
                name, opened = open_at.pop()
                names[name] -= 1
                if name == match["name"]:
                    pairs[opened], pairs[number] = number, opened
                    break
    return pairs
