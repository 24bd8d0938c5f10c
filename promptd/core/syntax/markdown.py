r"""One text with the questions that dialects ask of it: which line, literal or not, alone on its line or not.

What is literal (fences, code spans, comments) is found by `literal`, and only when first asked for. The text
is seen with every line ending as `\n` or `\r\n` and a leading BOM as a space; lengths and so all offsets
stay those of the file.
"""

import re
from bisect import bisect_right
from functools import cached_property

from promptd.core.syntax.component import Diagnostic
from promptd.core.syntax.literal import Literal, as_scanned, literals

_OPENERS = ("```", "~~~", "<!--", "<![CDATA[")
_SPACE = " \t\r\n"  # not what Python calls white space: a no-break space on a line is text


class Body:
    """One text whose body begins at `start`."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.has_mark = text.startswith("\ufeff")
        self.text = as_scanned(text)
        self.start = start

    def __repr__(self) -> str:
        return f"<Body of {len(self.text) - self.start} characters from {self.start}>"

    @cached_property
    def _literals(self) -> list[Literal]:
        # The scanner knows line starts by what precedes them, so it begins at the space that was a BOM.
        if not (self.has_mark and self.start == 1):
            return list(literals(self.text, self.start))
        return [literal._replace(start=max(literal.start, 1)) for literal in literals(self.text, 0)]

    @cached_property
    def _literal_starts(self) -> list[int]:
        return [literal.start for literal in self._literals]

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @property
    def literal_spans(self) -> list[tuple[int, int]]:
        """Sorted, disjoint (start, end) code-point spans of fences, code spans and comments."""
        return [(literal.start, literal.end) for literal in self._literals]

    def diagnostics(self) -> list[Diagnostic]:
        """Fences, comments and CDATA that are opened and never closed. Scans only where one may be opened."""
        if not any(mark in self.text for mark in _OPENERS):
            return []
        unclosed = [literal for literal in self._literals if literal.kind.startswith("unclosed-")]
        found = [
            self._unclosed(literal.kind, literal.start, "directives in it stay literal")
            for literal in unclosed
        ]
        if all(literal.kind != "unclosed-comment" for literal in unclosed):
            found += self._left_open("unclosed-comment", "<!--", "-->")
        return found + self._left_open("unclosed-cdata", "<![CDATA[", "]]>")

    def _left_open(self, kind: str, opener: str, closer: str) -> list[Diagnostic]:
        """The first opener behind the last closer that stands in prose: it makes nothing literal."""
        at = self.text.rfind(closer, self.start) + 1 or self.start
        while (at := self.text.find(opener, at)) >= 0:
            if not self.is_literal(at, at + 1):
                return [self._unclosed(kind, at, "it is text like any other")]
            at += len(opener)
        return []

    def _unclosed(self, kind: str, start: int, consequence: str) -> Diagnostic:
        line = self.line_of(start)
        what = {"cdata": "CDATA"}.get(kind.removeprefix("unclosed-"), kind.removeprefix("unclosed-"))
        return Diagnostic(kind, f"{what} opened on line {line} is never closed: {consequence}", line)

    def kind_at(self, position: int) -> str:
        """What a position lies in: "fence", "span", "comment" (closed or not), or "" for prose."""
        index = bisect_right(self._literal_starts, position)
        if not index or position >= self._literals[index - 1].end:
            return ""
        return self._literals[index - 1].kind.removeprefix("unclosed-")

    def is_literal(self, start: int, end: int) -> bool:
        """True if any of [start, end) lies in a fence, a code span or a comment."""
        index = bisect_right(self._literal_starts, start)
        if index and start < self._literals[index - 1].end:
            return True
        return index < len(self._literals) and self._literals[index].start < end

    def line_of(self, position: int) -> int:
        """1-based line number of a position in the file."""
        return bisect_right(self._line_starts, position)

    def widen(self, start: int, end: int) -> tuple[int, int, bool]:
        """The span to replace: the whole line with its ending if nothing else stands on it.

        Looks no further than the white space around the span, so it is cheap on a line of any length.
        """
        left, right = start, end
        while left > self.start and self.text[left - 1] in " \t":
            left -= 1
        while right < len(self.text) and self.text[right] in " \t\r":
            right += 1
        opens = left == self.start or self.text[left - 1] == "\n"
        closes = right == len(self.text) or self.text[right] == "\n"
        return (left, min(right + 1, len(self.text)), True) if opens and closes else (start, end, False)
