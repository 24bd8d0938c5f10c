"""Where a fenced code block ends: at its closing fence, else with the quote or list item it stands in.

Closing fences are listed once for a text, so that asking for the end of one fence costs a search in that
list and all of them together cost time linear in the text. Against CommonMark this is lenient where
authors are sloppy: a fence in a list item may be closed by one that stands further out.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

_CLOSER = re.compile(r"^(?P<lead>[ \t>]*)(?P<fence>`{3,}|~{3,})[ \t]*\r?$", re.MULTILINE)
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+")
_MARKER = re.compile(r"[-*+]|\d[.)]")
_NOT_QUOTED = re.compile(r"^(?![ \t]*>)", re.MULTILINE)
_TAB = 4  # columns; CommonMark's closing fence stands less than this further in than the text around it
_DEEP = 32  # columns; a fence this far in may be closed anywhere, which bounds the number of tables


class _Closers(NamedTuple):
    """The closing fences of one kind in order, and the longest that is still to come at each."""

    starts: Sequence[int]
    ends: Sequence[int]
    lengths: Sequence[int]
    longest: Sequence[int]

    def first(self, length: int, after: int, before: int) -> int:
        """End of the first one of at least `length` that starts in [after, before), or -1."""
        index = bisect_left(self.starts, after)
        if index == len(self.starts) or self.longest[index] < length:
            return -1
        while self.starts[index] < before and self.lengths[index] < length:
            index += 1
        return self.ends[index] if self.starts[index] < before else -1


class Fences:
    """The fences of one text whose body begins at `start`."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.start = start
        self._tables: dict[tuple[str, bool, int | None], _Closers] = {}
        self._quote_end = -1

    def end(self, position: int, lead: str, fence: str) -> tuple[int, bool]:
        """Where the fence opened at `position` ends, and whether it is closed.

        `lead` is what stands before it on its line: indentation, quote and list markers.
        """
        inside = self._next_line(position + len(lead) + len(fence))
        if ">" in lead:
            before = self._end_of_quote(inside)
            closer = self._closers(fence[0], True, None).first(len(fence), inside, before)
            return (closer, True) if closer >= 0 else (before, False)
        closer = self._closers(fence[0], False, _limit(len(lead.expandtabs(_TAB)))).first(
            len(fence), inside, len(self.text)
        )
        return (closer, True) if closer >= 0 else (self._end_of_item(position, inside, lead), False)

    @cached_property
    def _all(self) -> list[tuple[int, int, str, str]]:
        """(start, end, lead, fence) of every line that could close one."""
        matches = _CLOSER.finditer(self.text, self.start)
        return [(match.start(), match.end(), match["lead"], match["fence"]) for match in matches]

    def _closers(self, character: str, is_quoted: bool, limit: int | None) -> _Closers:
        key = (character, is_quoted, limit)
        if key not in self._tables:
            fitting = [
                (start, end, len(fence))
                for start, end, lead, fence in self._all
                if fence[0] == character
                and (">" in lead) is is_quoted
                and (limit is None or len(lead.expandtabs(_TAB)) < limit)
            ]
            starts, ends, lengths = zip(*fitting, strict=True) if fitting else ((), (), ())
            longest = list(accumulate(reversed(lengths), max))[::-1]
            self._tables[key] = _Closers(starts, ends, lengths, longest)
        return self._tables[key]

    def _end_of_quote(self, position: int) -> int:
        if position > self._quote_end:
            outside = _NOT_QUOTED.search(self.text, position)
            self._quote_end = outside.start() if outside else len(self.text)
        return self._quote_end

    def _end_of_item(self, position: int, inside: int, lead: str) -> int:
        """Where an unclosed fence ends: before the first line further out than its list item's text."""
        column = len(lead.expandtabs(_TAB))
        if not _MARKER.search(lead):
            column = self._item_column(position, column)
        if not column:
            return len(self.text)
        further_out = re.compile(rf"^ {{0,{column - 1}}}[^ \t\r\n]", re.MULTILINE)
        found = further_out.search(self.text, inside)
        return found.start() if found else len(self.text)

    def _item_column(self, position: int, column: int) -> int:
        """The column at which the text of the list item around a line of this indentation begins, or 0."""
        end = position - 1
        while column and end > self.start:
            begin = self.text.rfind("\n", 0, end) + 1
            line = self.text[begin:end]
            indent = len(line.expandtabs(_TAB)) - len(line.expandtabs(_TAB).lstrip())
            if line.strip() and indent < column:
                item = _ITEM.match(line)
                if item and len(item[0].expandtabs(_TAB)) <= column:
                    return len(item[0].expandtabs(_TAB))
                column = indent
            end = begin - 1
        return 0

    def _next_line(self, position: int) -> int:
        newline = self.text.find("\n", position)
        return len(self.text) if newline < 0 else newline + 1


def _limit(column: int) -> int | None:
    """Columns in which the closer of a fence at `column` may stand; in steps, deep in."""
    if column < _TAB:
        return column + _TAB
    return (column // _TAB + 2) * _TAB if column < _DEEP else None
