"""The CommonMark tree of a text in a normal form, so that "lossless" is something that can be checked.

Two texts with the same tree differ in white space and comments only: text is compared with runs of white
space as one space, code and raw HTML blocks of code exactly, hard line breaks and the tightness of lists as
they are. markdown-it-py does the parsing, strict CommonMark.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from promptd.core.optimise.comments import is_comment, without_comments
from promptd.core.optimise.edits import Edit, Trace
from promptd.protocol.records import Span

Tree = tuple[tuple[str, ...], ...]

MAX_PROOFS = 64  # parses spent on finding the edits that change the tree; the rest is left undone
MAX_PROVED_CHARS = 2_000_000  # likewise: a large text gets fewer, but always three
MAX_TREE_CHARS = 1_000_000  # a longer text has no tree: reading it would take seconds

_PARSER = MarkdownIt("commonmark")
_BLOCKS = MarkdownIt("commonmark").disable(["inline"])
_SPACE = re.compile(r"\s+")
_PRE = re.compile(r"<(?:pre|script|style|textarea)\b|<!\[CDATA\[", re.IGNORECASE)


def tree(text: str) -> Tree:
    """The normal form of a text's CommonMark tree."""
    return tuple(_merged(_nodes(_PARSER.parse(text))))


def code_spans(text: str) -> list[Span]:
    """Where strict CommonMark sees code blocks, indented ones too: whole lines, in code points."""
    return _block_spans(text)[0]


def list_spans(text: str) -> list[Span]:
    """Where strict CommonMark sees lists: a line may belong to one by its indentation alone."""
    return _block_spans(text)[1]


def is_readable(text: str) -> bool:
    """True unless a text is too long for its tree to be read."""
    return len(text) <= MAX_TREE_CHARS


@lru_cache(maxsize=2)  # both questions are asked of the same text in one round
def _block_spans(text: str) -> tuple[list[Span], list[Span]]:
    if not is_readable(text):
        return [(0, len(text))], [(0, len(text))]  # of what nothing is known, nothing may be changed
    tokens = _BLOCKS.parse(text)
    lines = [0, *(match.end() for match in re.finditer(r"\r\n?|\n", text)), len(text)]
    code, lists = (
        [
            (lines[token.map[0]], lines[min(token.map[1], len(lines) - 1)])
            for token in tokens
            if token.type in types and token.map
        ]
        for types in (("fence", "code_block"), ("bullet_list_open", "ordered_list_open"))
    )
    return code, _outermost(lists)


def _outermost(spans: Sequence[Span]) -> list[Span]:
    """Those of nested spans, in the order they begin, that lie in no other."""
    found: list[Span] = []
    for span in spans:
        if not found or span[0] >= found[-1][1]:
            found.append(span)
    return found


def _nodes(tokens: Sequence[Token]) -> Iterator[tuple[str, ...]]:
    for token in tokens:
        if token.type == "inline":
            yield from _inline(token.children or ())
        elif token.type == "html_block":
            yield "html", _html(token.content)
        elif token.type in ("fence", "code_block"):
            yield "code", token.type, token.info, token.content
        else:
            yield token.type, token.tag, token.markup, str(token.hidden), str(token.attrs or "")


def _inline(tokens: Sequence[Token]) -> Iterator[tuple[str, ...]]:
    for token in tokens:
        if token.type in ("text", "softbreak"):
            yield "text", _SPACE.sub(" ", token.content) if token.type == "text" else " "
        elif token.type == "html_inline":
            content = "" if is_comment(token.content) else token.content
            yield "text", _SPACE.sub(" ", content)
        elif token.type == "image":
            yield "image", str(token.attrs), token.content
        else:
            yield token.type, token.tag, token.markup, token.content, str(token.attrs or "")


def _html(content: str) -> str:
    """Raw HTML with its white space folded, unless it holds something preformatted."""
    if _PRE.search(content):
        return content.strip("\n")
    return _SPACE.sub(" ", without_comments(content)).strip()


def _merged(nodes: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Neighbouring text as one node with single spaces; nothing for what is empty."""
    held: str | None = None
    for node in nodes:
        if node[0] == "text":
            held = (held or "") + node[1]
            continue
        if held is not None and held.strip():
            yield "text", " ".join(held.split())
        held = None
        if node != ("html", ""):
            yield node


def provable(trace: Trace, edits: Sequence[Edit], holds: Callable[[str], bool]) -> tuple[Edit, ...]:
    """Those of sorted, disjoint edits whose result holds a property: all of them, or what halving finds."""
    proofs = 0
    most = min(MAX_PROOFS, max(3, MAX_PROVED_CHARS // max(len(trace.text), 1)))

    def is_held(chosen: Sequence[Edit]) -> bool:
        nonlocal proofs
        proofs += 1
        return holds(trace.apply(chosen).text)

    return _largest(edits, (), is_held, lambda: proofs < most)


def _largest(
    edits: Sequence[Edit],
    kept: tuple[Edit, ...],
    holds: Callable[[Sequence[Edit]], bool],
    may_go_on: Callable[[], bool],
) -> tuple[Edit, ...]:
    """`kept` and as many of `edits` as hold together with it, in order."""
    if not edits or not may_go_on():
        return kept
    if holds((*kept, *edits)):
        return (*kept, *edits)
    if len(edits) == 1:
        return kept
    middle = len(edits) // 2
    kept = _largest(edits[:middle], kept, holds, may_go_on)
    return _largest(edits[middle:], kept, holds, may_go_on)
