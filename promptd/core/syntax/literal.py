"""Which parts of a Markdown text are examples rather than prose: fences, code spans, HTML comments.

Our own scanner and not a Markdown library because the rules differ from CommonMark on purpose: indented
text is not code, and fences and code spans count inside XML-shaped blocks too, where a CommonMark parser
sees opaque HTML. Tests hold it against markdown-it-py where the two agree. One pass from left to right,
whatever opens first wins; linear time on any input.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from promptd.core.syntax.fences import Fences

_LEAD = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+|>[ \t]*)*")
_TOKEN = re.compile(
    "``*|~~~~*|<!--"
)  # without groups, so that the next first character is looked for in one go
_INFO = re.compile(r"[^`\n]*$", re.MULTILINE)  # behind back-ticks that open a fence
MIN_FENCE = 3  # characters
_RUN = re.compile("`+")
_LONE_CR = re.compile(r"\r(?!\n)")
# A code span ends with its block: at a blank line, a heading or its underline, a list item, a table row, a
# tag, a rule or a fence. In a quote the same behind the `>`, and outside of one where a quote begins.
_BLOCK = (
    r"(?:\r?\n|\r?\Z|\#{1,6}(?:[ \t]|\r?$)|(?:[-*+]|\d{1,9}[.)])(?:[ \t]|\r?$)|[|<]|`{3,}[^`\n]*$|~{3,}"
    r"|(?:=+|-+|([*_])(?:[ \t]*\1){2,})[ \t]*\r?$)"
)
_NEXT_BLOCK = re.compile(rf"\n[ \t]*(?:>|{_BLOCK})", re.MULTILINE)
_NEXT_BLOCK_IN_QUOTE = re.compile(rf"\n[ \t>]*{_BLOCK}", re.MULTILINE)
_LINE_BLOCK = re.compile(r"[ \t>]*(?:\#{1,6}[ \t]|\|)")  # a heading or a table row is a block of one line


class Literal(NamedTuple):
    """One literal stretch [start, end) in code points.

    `kind` is "fence", "comment", "span", or one that ends with its container: "unclosed-fence",
    "unclosed-comment".
    """

    start: int
    end: int
    kind: str


def lines_unified(text: str) -> str:
    """The text with lone carriage returns as newlines; of the same length."""
    return _LONE_CR.sub("\n", text) if "\r" in text else text


def as_scanned(text: str) -> str:
    """The text as the scanner takes it: lines unified, a leading BOM as a space; of the same length."""
    text = lines_unified(text)
    return " " + text[1:] if text.startswith("\ufeff") else text


def literals(text: str, start: int) -> Iterator[Literal]:
    """Every literal stretch of a text from `start` on, in order and disjoint."""
    scanner = _Scanner(text, start)
    position = start
    while match := _TOKEN.search(text, position):
        found = scanner.literal(match, position)
        if found is not None:
            yield found
        position = found.end if found is not None else match.end()


class _Scanner:
    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.fences = Fences(text, start)
        self.can_end_comment = True
        self._runs: dict[int, list[int]] = {}  # back-ticks in a run -> where such runs start in this block
        self._block_end = -1
        self._line = self._looked_upto = 0

    def literal(self, match: re.Match[str], since: int) -> Literal | None:
        """What a token opens, if anything; `since`: where the token before it, or what that opened, ends."""
        token = match[0]
        if token == "<!--":
            return self._comment(match.start())
        if len(token) >= MIN_FENCE:
            fence = self._fence(match.start(), token, since)
            if fence is not None:
                return fence
        return self._code_span(match) if token[0] == "`" else None

    def _fence(self, position: int, token: str, since: int) -> Literal | None:
        line = self._line_start(position)
        if line < since or not _LEAD.fullmatch(self.text, line, position):
            return None
        if token[0] == "`" and not _INFO.match(self.text, position + len(token)):
            return None
        end, is_closed = self.fences.end(line, self.text[line:position], token)
        return Literal(line, end, "fence" if is_closed else "unclosed-fence")

    def _line_start(self, position: int) -> int:
        """Where the line of a position begins; positions are asked for in order, so all take linear time."""
        newline = self.text.rfind("\n", self._looked_upto, position)
        if newline >= 0:
            self._line = newline + 1
        self._looked_upto = position
        return self._line

    def _comment(self, start: int) -> Literal | None:
        end = self.text.find("-->", start + 2) if self.can_end_comment else -1
        if end >= 0:
            return Literal(start, end + 3, "comment")
        self.can_end_comment = False
        return Literal(start, len(self.text), "unclosed-comment") if self._opens_line(start) else None

    def _opens_line(self, position: int) -> bool:
        while position and self.text[position - 1] in " \t":
            position -= 1
        return position == 0 or self.text[position - 1] == "\n"

    def _code_span(self, match: re.Match[str]) -> Literal | None:
        start = match.start() + _is_escaped(self.text, match.start())
        length = match.end() - start
        self._enter_block(match.start())
        same = self._runs.get(length, ())
        index = bisect_left(same, match.end())
        return Literal(start, same[index] + length, "span") if length and index < len(same) else None

    def _enter_block(self, position: int) -> None:
        if position < self._block_end:
            return
        self._block_end = _end_of_block(self.text, position)
        self._runs = {}
        for run in _RUN.finditer(self.text, position, self._block_end):
            self._runs.setdefault(len(run[0]), []).append(run.start())


def _end_of_block(text: str, position: int) -> int:
    line_start = text.rfind("\n", 0, position) + 1
    if _LINE_BLOCK.match(text, line_start):
        end = text.find("\n", position)
        return len(text) if end < 0 else end
    is_quoted = text[line_start:position].lstrip().startswith(">")
    boundary = (_NEXT_BLOCK_IN_QUOTE if is_quoted else _NEXT_BLOCK).search(text, position)
    return boundary.start() if boundary else len(text)


def _is_escaped(text: str, position: int) -> bool:
    backslashes = 0
    while position > backslashes and text[position - backslashes - 1] == "\\":
        backslashes += 1
    return backslashes % 2 == 1
