"""The parts of a component that can be fetched by themselves: all of it, its sections, its elements.

A section is named by the anchor of its heading, and only offered if that anchor leads back to exactly its
text; an XML-like element that stands on lines of its own has no name and is fetched by its span. Of two that
overlap without one being inside the other the first is offered. What was put into the prompt may be one
section of a file; what is below it is then offered.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from promptd.core.optimise.blocks import read
from promptd.core.syntax.sections import Headings
from promptd.protocol.records import Span

MAX_SECTIONS = 256  # of one component, and as many elements; of more, the first
MAX_DEPTH = 12
_NAME = re.compile(r"\bname\s*=\s*[\"']?([^\"'<>]+)")


@dataclass(slots=True, eq=False)
class SourceFile:
    """The text of a component's file, where its body begins, and the digest of the file."""

    text: str
    body_start: int
    digest: str
    title: str = ""  # what its author calls it
    name: str = ""  # what else it may be called


@dataclass(slots=True, eq=False)
class Section:
    """A stretch of a file and those inside it. Without an `anchor` it is an element, or the whole body."""

    span: Span
    title: str
    anchor: str = ""
    is_whole: bool = False
    below: list["Section"] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Section {self.anchor!r} {self.span}, {len(self.below)} below>"


def whole_of(source: SourceFile) -> Section:
    """The body of a component with its sections as a tree."""
    text, start = source.text, source.body_start
    sections = list(_sections(Headings(text, start)))
    title = source.title or (sections[0].title if sections else source.name)
    root = Section((start, len(text)), title, is_whole=True)
    stack = [root]
    for section in sorted(
        [*sections, *_elements(text, start)], key=lambda each: (each.span[0], -each.span[1])
    ):
        while section.span[0] >= stack[-1].span[1]:
            stack.pop()
        if section.span[1] <= stack[-1].span[1] and len(stack) < MAX_DEPTH:
            stack[-1].below.append(section)
            stack.append(section)
    if len(root.below) == 1 and not _outside(root, root.below[0], text).strip():
        root.below = root.below[0].below
    return root


def smallest_around(root: Section, spans: Sequence[Span]) -> Section:
    """The smallest section that holds all of the spans, or else the whole body."""
    first, last = spans[0][0], spans[-1][1]
    found: Section = root
    each: Section | None = root
    while each is not None:
        found = each if each.anchor else found  # only a section can be put in by itself
        each = next((below for below in each.below if below.span[0] <= first and last <= below.span[1]), None)
    return found


def _outside(whole: Section, section: Section, text: str) -> str:
    return text[whole.span[0] : section.span[0]] + text[section.span[1] : whole.span[1]]


def _sections(headings: Headings) -> Iterator[Section]:
    for title, anchor, span in headings.anchored(MAX_SECTIONS):
        yield Section(span, title, anchor)


def _elements(text: str, start: int) -> Iterator[Section]:
    blocks = read(text[start:]).root.walk()
    for block in islice((each for each in blocks if each.kind == "element"), MAX_SECTIONS):
        span = start + block.start, start + block.end
        named = _NAME.search(text, span[0], start + block.head)
        yield Section(span, f"{block.name} {named[1]}" if named else block.name)
