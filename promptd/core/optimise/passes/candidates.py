"""What `least_informative` may remove: sentences, items, one-line elements, and heads left without them.

Not a unit that instructs, has a number in a sequence, holds a literal of a kind that must stay where it is,
or is salient (see there); nor a line of what is shaped by its indentation, such as code and verse.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from promptd.core.optimise.instructing import is_instructing
from promptd.core.optimise.leads import followers
from promptd.core.optimise.page import Block, Page
from promptd.core.optimise.passes.salient import salient
from promptd.core.optimise.units import is_bare_tag, is_lead, marker_length, sentences
from promptd.core.optimise.words import stem, words
from promptd.protocol.records import Span

Spans = tuple[Span, ...]
FEWEST_WORDS = 2
MOVABLE = frozenset({"code", "url", "path", "number", "placeholder", "quote"})

_ELEMENT_LINE = re.compile(r"[ \t]*<(?P<tag>[A-Za-z][\w:.-]*)>(?P<inner>[^<>\n]+)</(?P=tag)>\s*")
# A member of a sequence: "2. Load", "## Step 3", "b) or", "Second, …". Without it the others have a gap.
_NUMBERED = re.compile(
    r"[\s>#*_([-]*(?:(?:[A-Za-z]+[ \t]+)?\d+(?:\.\d+)*[.):\s*_-]|[A-Za-z][.)][ \t]|[ivxIVX]+[.):][ \t]"
    r"|(?:step|phase|part|option|case|plan|level|stage|appendix)[ \t]+[A-Za-z]\b(?![ \t]+[a-z])"
    r"|(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|next|then|afterwards"
    r"|after[ \t]+that|last|final|eventually|otherwise|else)(?:ly)?\b)",
    re.IGNORECASE,
)
_STOP = re.compile(r"[.!?…:;。！？][*_)\"'’”`\]]*\s*\Z")  # noqa: RUF001
_GOES_ON = frozenset("→⇒—–=+&/,;:")  # noqa: RUF001  # no sentence begins with one
# "a." and "2)": their stop ends no sentence.
_ENUMERATOR = re.compile(r"[\s>*_(]*(?:\d+(?:\.\d+)*|[A-Za-z]|[ivxIVX]+)[.)][*_\s]*")
_NUMBERED_NAME = re.compile(r"\d\Z|\A(?:step|phase|first|second|third|last)\b", re.IGNORECASE)
# "the following three rules:", "two ways": what is counted stays complete.
_COUNTED = re.compile(
    r"\b(?:\d+|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|both|each|all|every)\b",
    re.IGNORECASE,
)
_CODE_LINE = re.compile(
    r"[{};\\]\s*$|^\s*(?:def|class|return|import|from|if|elif|else|for|while|try|except|with|const|let|var"
    r"|function|func|fn|public|private|SELECT|INSERT|UPDATE)\b[^.]*[:;({]\s*$"
    r"|[^\s=]\s*=\s*[^\s=]|[\w)]\([^()]*\)\s*$|[=-]>|[│├└─┌┐|][─\s]|^\s*[$>]\s|^\s*[\w-]+:(?:\s+\S+)?\s*$"
)
_SPAN = re.compile(r"`[^`\n]*`")
_OPENING = re.compile(r"(?<![\w*_])[*_](?=[^\s*_])")
_CLOSING = re.compile(r"(?<=[^\s*_])[*_](?![\w*_])")
_PAIRS = ("()", "[]", "{}", "“”", "«»")
_EVEN = ("**", "__", "~~", "`", '"')  # marks that open and close alike


@dataclass(slots=True, eq=False)
class Unit:
    """One thing that can go: its spans (an element has two), its words, and what it waits for."""

    spans: Spans
    block: Block
    words: Counter[str]
    tokens: int
    stems: frozenset[str] = frozenset()
    anchors: Counter[str] = field(default_factory=Counter)
    is_part: bool = False  # one sentence of several
    is_head: bool = False  # of a block that may go only when nothing is left below it
    alike: "Unit | None" = None  # the standing unit that says most of it
    overlap: float = 0.0
    parts: int = 1  # sentences


def whole_sentences(page: Page, block: Block) -> list[Span]:
    """The sentences of a paragraph or an item, parted only where no bracket, quotation or mark is open.

    The first of an item begins at its marker, which is no sentence of its own; nor is "a." or "2)".
    """
    first = block.start + marker_length(page, block)
    found: list[Span] = []
    start, open_marks = block.start, Counter[str]()
    for begin, end in sentences(page, first, block.head):
        open_marks.update(_marks(page.text[begin:end]))
        is_open = any(_is_open(mark, times) for mark, times in open_marks.items())
        if not _STOP.search(page.text, begin, end):
            continue
        goes_on = page.text[end : end + 1] in _GOES_ON or _ENUMERATOR.fullmatch(page.text, start, end)
        if not is_open and not goes_on:
            found.append((start, end))
            start, open_marks = end, Counter()
    if start < block.head:
        found.append((start, block.head))
    return found


def _marks(text: str) -> dict[str, int]:
    """How often marks that open and close alike occur, and how many more of the others open than close."""
    text = _SPAN.sub("", text)
    found = {mark: text.count(mark) for mark in _EVEN}
    found |= {pair: text.count(pair[0]) - text.count(pair[1]) for pair in _PAIRS}
    found["*_"] = len(_OPENING.findall(text)) - len(_CLOSING.findall(text))
    return found


def _is_open(mark: str, times: int) -> bool:
    return bool(times % 2 if mark in _EVEN else times)


def is_shaped(text: str) -> bool:
    """True for lines that differ in indentation or look like code: only together they say something."""
    lines = [line for line in text.splitlines() if line.strip()]
    indents = {len(line) - len(line.lstrip()) for line in lines}
    return len(indents) > 1 or (len(lines) > 1 and any(map(_CODE_LINE.search, lines)))


def is_one_line_lead(page: Page, block: Block) -> bool:
    """True for a paragraph of one line that leads to something: it may go, as a whole and last."""
    return "\n" not in page.text[block.start : block.end].strip() and bool(followers(page, block))


class Droppable:
    """The units of a page that may go."""

    def __init__(
        self, page: Page, count: Callable[[str], int], entries: Sequence[Sequence[Span]] = ()
    ) -> None:
        self.page = page
        self.count = count
        self.salient = salient(page, entries)
        self.complete = set(_complete(page))

    def __repr__(self) -> str:
        return f"<Droppable of {self.page!r}>"

    def find(self) -> Iterator[Unit]:
        """In document order."""
        for block in self.page.root.walk():
            if block.kind == "paragraph":
                yield from self.of_paragraph(block)
            elif block.kind == "item":
                yield from self.of_item(block)
            elif block.kind == "tag":
                yield from self.of_element_line(block)
            elif block.kind == "section":
                yield from self.head(block, ((block.start, block.head),))
            elif block.kind == "element" and self.is_plain(block):
                spans = ((block.start, block.head), (block.foot, block.end))
                yield from self.head(block, spans, is_tag=True)

    def is_plain(self, element: Block) -> bool:
        """True for an element without attributes, and without a number in its name."""
        is_bare = is_bare_tag(self.page.text[element.start : element.head])
        return is_bare and not _NUMBERED_NAME.search(element.name)

    def of_paragraph(self, block: Block) -> Iterator[Unit]:
        """Its sentences; a lead-in of one line as a whole, after what it leads to; nothing of code."""
        if is_shaped(self.page.text[block.start : block.end]):
            return
        if is_one_line_lead(self.page, block):
            if self.may_go(block.start, block.end):
                yield self.unit(block, ((block.start, block.end),), is_head=True)
            return
        for start, end in whole_sentences(self.page, block):
            if self.may_be_left_out(start, end):
                yield self.unit(block, ((start, end),), is_part=True)

    def of_element_line(self, block: Block) -> Iterator[Unit]:
        """A line like `<description>prose</description>`, if its tag has no attributes."""
        match = _ELEMENT_LINE.fullmatch(self.page.text, block.start, block.head)
        if match is None or _NUMBERED_NAME.search(block.name):
            return
        if self.may_be_left_out(*match.span("inner")):
            yield self.unit(block, ((block.start, block.head),))

    def of_item(self, block: Block) -> Iterator[Unit]:
        """Its first sentence goes last, with the marker; what ends in a colon goes after what it leads to."""
        (_, first), *more = whole_sentences(self.page, block)
        is_head = bool(block.children or more)
        is_free = not block.name[:1].isdigit() and block not in self.complete
        if is_free and (self.may_go if is_head else self.may_be_left_out)(block.start, first):
            yield self.unit(block, ((block.start, first),), is_head=is_head)
        for start, end in more:
            if self.may_be_left_out(start, end):
                yield self.unit(block, ((start, end),), is_part=True)

    def head(self, block: Block, spans: Spans, *, is_tag: bool = False) -> Iterator[Unit]:
        """A heading, or the tags of an element."""
        if block.children and (is_tag or self.may_go(*spans[0])):
            yield self.unit(block, spans, is_head=True)

    def may_go(self, start: int, end: int) -> bool:
        """True unless a unit instructs, is numbered or salient, or holds what must stay where it is."""
        text = self.page.text[start:end]
        kinds = {anchor.kind for anchor in self.page.anchors_in(start, end)}
        if not kinds <= MOVABLE or "```" in text or "~~~" in text or is_instructing(text):
            return False
        return not _NUMBERED.match(text) and not self.is_salient(start, end)

    def may_be_left_out(self, start: int, end: int) -> bool:
        """True for what may go and is more than a word or two like "Yes.", which have nothing to spare."""
        text = self.page.text[start:end]
        return not is_lead(text) and len(words(text)) > FEWEST_WORDS and self.may_go(start, end)

    def is_salient(self, start: int, end: int) -> bool:
        """True if a stretch touches what of an entry component has to stay."""
        index = bisect_left(self.salient, (end,)) - 1
        return index >= 0 and self.salient[index][1] > start

    def unit(self, block: Block, spans: Spans, *, is_head: bool = False, is_part: bool = False) -> Unit:
        """A unit with its words and literals counted."""
        text = "".join(self.page.text[start:end] for start, end in spans)
        found = Counter(words(text))
        anchors = Counter(
            self.page.text[anchor.start : anchor.end]
            for span in spans
            for anchor in self.page.anchors_in(*span)
            if anchor.kind != "tag"
        )
        stems = frozenset(map(stem, found))
        unit = Unit(spans, block, found, self.count(text), stems, anchors, is_part=is_part, is_head=is_head)
        unit.parts = sum(1 for span in spans for _ in sentences(self.page, *span))
        return unit


def _complete(page: Page) -> Iterator[Block]:
    """The members of lists whose lead-in counts them: "one of these three:"."""
    for block in page.root.walk():
        if block.kind in ("paragraph", "item"):
            led = followers(page, block)
            if led and _COUNTED.search(page.text, block.start + marker_length(page, block), block.head):
                yield from led
