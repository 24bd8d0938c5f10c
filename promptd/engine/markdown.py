"""Where a Markdown text is an example rather than prose: fences, code spans, HTML comments.

Directives inside these stay literal. This is our own scanner and not a Markdown library because the
rules differ from CommonMark on purpose (FORMATS.md): indented text is not code, and code spans count
inside XML-shaped blocks too, where a CommonMark parser sees opaque HTML. Tests hold it against
markdown-it-py where the two agree. One pass, left to right, linear time on any input.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

from promptd.engine.component import Diagnostic

_CONTAINER = r"(?:(?:[-*+]|\d{1,9}[.)])[ \t]+|>[ \t]?)*"
_TOKEN = re.compile(
    rf"^(?P<indent>[ \t]*{_CONTAINER})(?:(?P<fence>`{{3,}})(?=[^`\n]*$)|(?P<tilde>~{{3,}}))|<!--|(?P<run>`+)",
    re.MULTILINE,
)
# A code span ends with its block: at a blank line, a heading, a list item, a table row, a tag or a fence.
_BLOCK_END = re.compile(r"\n[ \t]*(?:\r?\n|#{1,6}[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t]|[|<]|>?[ \t]*(?:```|~~~))")
_LIST_ITEM = re.compile(r"[-*+]|\d{1,9}[.)]")


class Body:
    """One text with the questions dialects ask of it: which line, literal or not, alone or not."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.text = text
        self.start = start

    @cached_property
    def _scan(self) -> tuple[list[tuple[int, int]], list[Diagnostic]]:
        scanner = _Scanner(self)
        spans = list(scanner.spans())
        return spans, scanner.diagnostics

    @cached_property
    def _span_starts(self) -> list[int]:
        return [start for start, _ in self.literal_spans]

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @property
    def literal_spans(self) -> list[tuple[int, int]]:
        """Sorted, disjoint (start, end) code-point spans of fences, code spans and comments."""
        return self._scan[0]

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """Fences and comments that are opened and never closed."""
        return self._scan[1]

    def is_literal(self, position: int) -> bool:
        """True if `position` lies in a fence, a code span or a comment."""
        index = bisect_right(self._span_starts, position) - 1
        return index >= 0 and position < self.literal_spans[index][1]

    def line_of(self, position: int) -> int:
        """1-based line number of a position in the file."""
        return bisect_right(self._line_starts, position)

    def widen(self, start: int, end: int) -> tuple[int, int, bool]:
        """The span to replace: the whole line with its ending if nothing else stands on it."""
        line_start = self.text.rfind("\n", 0, start) + 1
        if line_start < self.start:
            line_start = self.start
        newline = self.text.find("\n", end)
        line_end = len(self.text) if newline < 0 else newline + 1
        if self.text[line_start:start].strip() or self.text[end:line_end].strip():
            return start, end, False
        return line_start, line_end, True


class _Scanner:
    def __init__(self, body: Body) -> None:
        self.body = body
        self.text = body.text
        self.diagnostics: list[Diagnostic] = []
        self._block_end = -1
        self._no_closer: dict[str, int] = {}  # fence character -> shortest length known to have no closer

    def spans(self) -> Iterator[tuple[int, int]]:
        position = self.body.start
        while match := _TOKEN.search(self.text, position):
            if match["run"]:
                end = self._code_span_end(match)
            elif match[0] == "<!--":
                end = self._comment_end(match.start())
            else:
                end = self._fence_end(match)
            if end < 0:
                position = match.end()
                continue
            yield match.start(), end
            position = end

    def _code_span_end(self, match: re.Match[str]) -> int:
        start, run = match.start("run"), match["run"]
        if _is_escaped(self.text, start):
            run = run[1:]
        if not run:
            return -1
        closer = re.compile(rf"(?<!`){run}(?!`)").search(self.text, match.end(), self._end_of_block(start))
        return closer.end() if closer else -1

    def _end_of_block(self, position: int) -> int:
        if position >= self._block_end:
            boundary = _BLOCK_END.search(self.text, position)
            self._block_end = boundary.start() + 1 if boundary else len(self.text)
        return self._block_end

    def _comment_end(self, start: int) -> int:
        end = self.text.find("-->", start + 2)
        if end >= 0:
            return end + 3
        line_start = self.text.rfind("\n", 0, start) + 1
        if self.text[line_start:start].strip():
            return -1
        self._unclosed("comment", start)
        return len(self.text)

    def _fence_end(self, match: re.Match[str]) -> int:
        fence = match["fence"] or match["tilde"]
        known = self._no_closer.get(fence[0])
        if known is None or len(fence) < known:
            closer = re.compile(rf"^[ \t>]*{fence}{fence[0]}*[ \t]*\r?$", re.MULTILINE).search(
                self.text, self._next_line(match.end())
            )
            if closer:
                return closer.end()
            self._no_closer[fence[0]] = len(fence)
        self._unclosed("fence", match.start())
        return self._container_end(match)

    def _container_end(self, match: re.Match[str]) -> int:
        """Where an unclosed fence ends: with the list item it stands in, else with the file."""
        column = len(match["indent"].expandtabs(4))
        if not (_LIST_ITEM.search(match["indent"]) or self._is_in_list(match.start(), column)):
            return len(self.text)
        outdent = re.compile(rf"^[ \t]{{0,{max(column - 1, 0)}}}[^ \t\r\n]", re.MULTILINE)
        found = outdent.search(self.text, self._next_line(match.end()))
        return found.start() if found else len(self.text)

    def _is_in_list(self, start: int, column: int) -> bool:
        if column == 0:
            return False
        for line in reversed(self.text[max(self.body.start, start - 4096) : start].splitlines()):
            if not line.strip():
                continue
            indent = len(line) - len(line.lstrip())
            if indent < column:
                return bool(_LIST_ITEM.match(line.lstrip()))
        return False

    def _next_line(self, position: int) -> int:
        newline = self.text.find("\n", position)
        return len(self.text) if newline < 0 else newline + 1

    def _unclosed(self, what: str, position: int) -> None:
        line = self.body.line_of(position)
        message = f"{what} opened on line {line} is never closed: directives below it stay literal"
        self.diagnostics.append(Diagnostic(f"unclosed-{what}", message, line))


def _is_escaped(text: str, position: int) -> bool:
    backslashes = 0
    while position > backslashes and text[position - backslashes - 1] == "\\":
        backslashes += 1
    return backslashes % 2 == 1
