"""What a reader reads of a page, unit by unit: sentences, items, headings, rows, tags, code, in their order.

A unit is compared as it is written, every character of it; only what changes nothing for a reader is left
out: runs of white space, bold marks, comments, and an item's marker, which is part of the shape. Its place is
the heading, tag or item it stands in and the lead-in before it, so that the same sentence under two
headings is two units, and twice under one heading is one that is repeated.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from promptd.core.optimise.comments import without_comments
from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.units import led, marker_length, sentences, without_indent

_BOLD = re.compile(
    r"(?<![*\\])\*\*(?=[^\s*])([^*\n]*[^\s*])\*\*(?!\*)|(?<![\w\\])__(?=[^\s_])([^_\n]*[^\s_])__(?!\w)"
)
_JSON_PARTS = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')
_BULLETS = "-*+"


class ReadUnit(NamedTuple):
    """A unit: its span, its text as it is compared, and its place (what it stands in, what leads to it)."""

    start: int
    end: int
    text: str
    place: tuple[str, str]
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class PageUnits:
    """The units of a page in order, and its shape: one entry for each block, with its kind and nesting."""

    units: tuple[ReadUnit, ...]
    shape: tuple[str, ...]


def read_units(page: Page) -> PageUnits:
    """Read a page. Linear."""
    reader = _UnitReader(page)
    reader.read()
    return PageUnits(tuple(reader.units), tuple(reader.shape))


def as_read(text: str) -> str:
    """A stretch of text as it is compared."""
    text = " ".join(without_comments(text).split())
    return _BOLD.sub(r"\1\2", text) if "**" in text or "__" in text else text


def normal(kind: str, written: str) -> str:
    """An anchor as it is compared: code without shared indentation, JSON by value, no stop."""
    if kind == "number":
        return written.rstrip(".,:")
    return _json_value(without_indent(written)) if kind == "code" else written


def _json_value(code: str) -> str:
    """The code as it is, or without the white space that says nothing in JSON; what is over it stays."""
    lines = code.split("\n")
    body = "\n".join(lines[1:-1]) if len(lines) > 2 else ""
    if not body.lstrip().startswith(("{", "[")):
        return code
    try:
        json.loads(body, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return code
    return f"{lines[0].strip()}\n{_JSON_PARTS.sub(lambda part: part[1] or '', body)}"


class _UnitReader:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.units: list[ReadUnit] = []
        self.shape: list[str] = []

    def read(self) -> None:
        stack: list[tuple[Block, tuple[str, str], int]] = [(self.page.root, ("", ""), 0)]
        while stack:
            block, place, depth = stack.pop()
            name = ""
            if block.kind not in ("root", "comment"):
                first = len(self.units)
                self.units += self.of_block(block, place)
                self.shape += (f"{depth} {part}" for part in self.shape_of(block, len(self.units) - first))
            if block.children:
                name = as_read(self.page.text[block.start : block.head]) if block.parent else ""
                below = [(child, (name, lead), depth + 1) for child, lead in self.with_leads(block)]
                stack.extend(reversed(below))

    def with_leads(self, parent: Block) -> Iterator[tuple[Block, str]]:
        """What a block holds, each with the lead-in that leads to it."""
        lead = ""
        led_by: set[Block] = set()
        for child in parent.children:
            yield child, lead if child in led_by else ""
            followers = led(self.page, child) if child.kind == "paragraph" else []
            if followers:
                lead, led_by = as_read(self.page.text[child.start : child.end]), set(followers)

    def of_block(self, block: Block, place: tuple[str, str]) -> Iterator[ReadUnit]:
        if block.kind == "item" and block.name not in _BULLETS:
            place = (place[0], f"{place[1]}{block.name}")  # a step is itself and its number
        for start, end in self.spans(block):
            text = self.page.text[start:end]
            is_code = block.kind == "code"
            text = normal("code", text.rstrip()).strip() if is_code else as_read(text)
            if text:
                yield ReadUnit(start, end, text, place, is_code)

    def spans(self, block: Block) -> Iterator[tuple[int, int]]:
        """Where the units of a block are, without those of the blocks that it holds."""
        if block.kind in ("paragraph", "item"):
            yield from sentences(self.page, block.start + marker_length(self.page, block), block.head)
        elif block.kind in ("table", "quote"):
            start = block.start
            for line in self.page.text[block.start : block.end].splitlines(keepends=True):
                yield start, start + len(line)
                start += len(line)
        elif block.kind not in ("root", "comment", "rule"):
            yield block.start, block.head

    def shape_of(self, block: Block, units: int) -> Iterator[str]:
        if block.kind == "item":
            yield f"item {'-' if block.name in _BULLETS else block.name}"
        elif block.kind in ("table", "quote"):
            yield from [block.kind] * units
        elif block.kind == "section":
            yield f"heading {block.level}"
        elif block.kind in ("element", "tag"):
            yield f"tag {block.name}"
        else:
            yield block.kind
