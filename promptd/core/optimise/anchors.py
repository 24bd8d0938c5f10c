r"""Literals: the places of a text that no pass may touch.

Code (fences, code spans, `<pre>` and its like, CDATA), URLs, paths, numbers, placeholders, quoted strings,
tags, and `<!-- keep --> … <!-- /keep -->`. Found by reading from left to right, longest meaning first, in
linear time. What looks like an anchor and is none costs a few tokens; the reverse would cost meaning.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from promptd.core.optimise.page import Anchor, AnchorKind
from promptd.core.syntax.literal import as_scanned, literals

KEEP_MARK = re.compile(r"<!--[ \t]*(?P<end>/?)keep[ \t]*-->", re.IGNORECASE)
# Markdown in these is raw, as in CommonMark's HTML blocks of the kinds 1 and 5.
_RAW = re.compile(r"<(?P<tag>pre|script|style|textarea|code)\b[^<>]*>|<!\[CDATA\[", re.IGNORECASE)

MAX_LINES = 50_000  # remembered with their anchors, about 20 MB
MAX_LINE_CHARS = (
    65_536  # a longer line is data and no prose: it stays as it is, and nothing is looked for in it
)

# {name}, {{name}}, ${NAME}, $NAME, $1, [placeholder], <placeholder>, %VAR%, @import
_PLACEHOLDER = (
    r"(?P<placeholder>\{\{[^{}\n]*\}\}|\$?\{[^{}\n]*\}|\$[A-Za-z_]\w*(?:\[\d+\])?|\$\d+"
    r"|\[[^\[\]\n]{1,80}\]|%[A-Za-z_]\w*%|(?<![\w@])@[\w~$./-]+)"
)
_URL = r"(?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s<>\"'`)\]]+|\bmailto:\S+|\bwww\.[^\s<>\"'`)\]]+)"
_TAG = r"(?P<tag></?[A-Za-z][^<>\n]*>|<!\[CDATA\[|\]\]>)"
# a/b, ./a, ~/a, /a, file.ext; "and/or" and "input/output" are kept too: not knowing, we keep. Bounded where
# every word of a run could begin one, so that a line of `a*a*a*…` takes linear time.
_PATH = (
    r"(?P<path>(?<![\w.])(?:~|\.{1,2})?/[\w.*~-][\w./*~+-]*"
    r"|\b(?=[\w.*~-])\w*+[\w.*~-]{0,128}+(?:/[\w.*~+-]++)++/?"
    r"|\b(?=[\w-])\w*+[\w-]{0,128}+(?:\.[\w-]++){0,32}\.[A-Za-z][A-Za-z0-9]{0,5}\b"
    r"|(?<!\w)--?[A-Za-z][\w-]*"
    r"|\b\w+_\w+\b)"
)
_NUMBER = r"(?P<number>(?<!\w)[#<>=≤≥~±+-]{0,32}\d[\w.,:%-]*\w?%?|\b\w*\d\w*\b)"
_QUOTE = r"(?P<quote>\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»|(?<![\w'])'[^'\n]{1,300}'(?![\w']))"
_INLINE = re.compile("|".join((_URL, _TAG, _PLACEHOLDER, _QUOTE, _PATH, _NUMBER)))


def anchors(text: str, frozen: Sequence[tuple[int, int]] = ()) -> list[Anchor]:
    """Every anchor of a text, sorted and disjoint; `frozen` spans are keep regions."""
    found: list[Anchor] = []
    position = 0
    for anchor in [*_large(text, frozen), Anchor(len(text), len(text), "code")]:
        found += inline(text, position, anchor.start)
        if anchor.end > anchor.start:
            found.append(anchor)
        position = anchor.end
    return found


def inline(text: str, start: int, end: int) -> Iterator[Anchor]:
    """The anchors inside a stretch of prose: what is not code, comment or keep region."""
    for line in text[start:end].splitlines(keepends=True):
        for first, last, kind in _of_line(line):
            yield Anchor(start + first, start + last, kind)
        start += len(line)


@lru_cache(maxsize=MAX_LINES)
def _of_line(line: str) -> tuple[tuple[int, int, AnchorKind], ...]:
    """The anchors of one line, or part of one. Lines come again: in every pass, prompt and request."""
    found: list[tuple[int, int, AnchorKind]] = []
    for match in _INLINE.finditer(line):
        kind: AnchorKind = match.lastgroup  # type: ignore[assignment]  # the groups are named after the kinds
        found.append((match.start(), match.end(), kind))
    return tuple(found)


def _large(text: str, frozen: Sequence[tuple[int, int]]) -> list[Anchor]:
    """Code, comments and keep regions: they may span lines and hold what looks like other anchors."""
    found = [Anchor(start, end, _kind(text, start)) for start, end, _ in literals(as_scanned(text), 0)]
    found += list(_keep_regions(text, found))
    found += [Anchor(start, end, "keep") for start, end in frozen if end > start]
    found += _raw(text)
    found += _long_lines(text)
    return _merge(found)


def _long_lines(text: str) -> Iterator[Anchor]:
    start = 0
    while len(text) - start > MAX_LINE_CHARS:
        end = text.rfind("\n", start, start + MAX_LINE_CHARS) + 1
        if not end:
            newline = text.find("\n", start)
            end = newline + 1 if newline >= 0 else len(text)
            yield Anchor(start, end, "keep")
        start = end


def _raw(text: str) -> Iterator[Anchor]:
    """From each opening of something raw to its closing. What is closed nowhere is looked for once."""
    unclosed: set[str] = set()
    position = 0
    while opened := _RAW.search(text, position):
        position = opened.end()
        closing = f"</{opened['tag'].lower()}>" if opened["tag"] else "]]>"
        if closing in unclosed:
            continue
        closed = re.compile(re.escape(closing), re.IGNORECASE).search(text, position)
        if closed is None:
            unclosed.add(closing)
            continue
        position = closed.end()
        yield Anchor(opened.start(), position, "code")


def _keep_regions(text: str, found: list[Anchor]) -> Iterator[Anchor]:
    """From each `<!-- keep -->` to its `<!-- /keep -->`, or to the end of the text."""
    start = -1
    for anchor in found:
        mark = KEEP_MARK.match(text, anchor.start) if anchor.kind == "keep" else None
        if mark is None:
            continue
        if start < 0 and not mark["end"]:
            start = anchor.start
        elif start >= 0 and mark["end"]:
            yield Anchor(start, anchor.end, "keep")
            start = -1
    if start >= 0:
        yield Anchor(start, len(text), "keep")


def _kind(text: str, start: int) -> AnchorKind:
    if not text.startswith("<!--", start):
        return "code"
    return "keep" if KEEP_MARK.match(text, start) else "comment"


def _merge(found: list[Anchor]) -> list[Anchor]:
    """Overlapping ones become one; the kind that protects more is kept."""
    merged: list[Anchor] = []
    for anchor in sorted(found, key=lambda anchor: (anchor.start, -anchor.end)):
        if merged and anchor.start < merged[-1].end:
            last = merged[-1]
            kinds = {last.kind, anchor.kind}
            kind: AnchorKind = "keep" if "keep" in kinds else "code" if "code" in kinds else last.kind
            merged[-1] = Anchor(last.start, max(last.end, anchor.end), kind)
        else:
            merged.append(anchor)
    return merged
