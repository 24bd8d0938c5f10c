"""The headings of a Markdown text, and the section below one of its headings.

A section runs from its heading to the next heading of its level or above. Headings are `#` lines and
underlined paragraphs, indented or not, since XML-shaped prompts indent them, but not those in fences,
comments, quotes or list markers. A section is named by its heading as it is written, by the text that a
reader sees, or by the anchor GitHub makes of that; what is none of these names nothing. Linear time; tests
hold the headings against markdown-it-py.
"""

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

from promptd.core.syntax.heading_text import HeadingText, anchors_of, links_in, seen_of
from promptd.core.syntax.markdown import Body

MAX_RENDERED_CHARS = 200_000  # of a file whose headings have more, the others are named as they are written
_OVERHEAD_CHARS = 16  # what a heading costs to render besides its text

_CANDIDATE = re.compile(
    r"^[ \t]*(?:(?P<marks>#{1,6})(?:[ \t]+(?P<title>[^\n]*))?|(?P<line>=+|-+)[ \t]*)\r?$", re.MULTILINE
)
_CONTAINER = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])(?:[ \t]|\r?$)|>)")
_NO_PARAGRAPH = re.compile(
    r"[ \t]*(?:\r?$|#{1,6}(?:[ \t]|\r?$)|[|<]|`{3}|~{3}|(?:=+|-+|([*_-])(?:[ \t]*\1){2,})[ \t]*\r?$)"
)


class _Heading(NamedTuple):
    level: int
    start: int
    title: str


class Headings:
    """The headings of one file's text, whose body begins at `start`."""

    def __init__(self, text: str, start: int = 0) -> None:
        self._end = len(text)
        self._body = Body(text, start)
        self._headings = tuple(_headings(self._body))

    def __repr__(self) -> str:
        return f"<Headings of {len(self._headings)} headings>"

    @property
    def titles(self) -> list[tuple[int, str]]:
        """(level, title) of every heading in order."""
        return [(heading.level, heading.title) for heading in self._headings]

    def section(self, name: str) -> tuple[int, int] | None:
        """The (start, end) code-point span of a section in the file's text, or None if there is none."""
        index = self._index(_plain(name))
        if index is None:
            return None
        heading = self._headings[index]
        following = (other for other in self._headings[index + 1 :] if other.level <= heading.level)
        return heading.start, next((other.start for other in following), self._end)

    def _index(self, name: str) -> int | None:
        """Which heading is meant; the first one, where several fit equally well.

        Case counts before it does not, and what is written before what is made of it, so that `C#` is never
        `C`; nothing is made of the name itself but lower case.
        """
        if not name:
            return None
        folded = name.casefold()
        fits: tuple[Callable[[int], bool], ...] = (
            lambda at: self._headings[at].title == name,
            lambda at: self._seen[at].text == name,
            lambda at: self._anchors[at] == name,
            lambda at: self._headings[at].title.casefold() == folded,
            lambda at: self._seen[at].text.casefold() == folded,
            lambda at: self._anchors[at] == name.lower(),
            lambda at: name in self._seen[at].others or name.lower() in self._seen[at].others,
        )
        every = range(len(self._headings))
        return next((at for fit in fits for at in every if fit(at)), None)

    @cached_property
    def _seen(self) -> list[HeadingText]:
        """What a reader sees of each heading; worked out only if no heading is written like a name."""
        links = links_in(self._body)
        seen: list[HeadingText] = []
        left = MAX_RENDERED_CHARS
        for _, _, title in self._headings:
            left -= len(title) + _OVERHEAD_CHARS
            seen.append(seen_of(title, links) if left >= 0 else HeadingText(title, title))
        return seen

    @cached_property
    def _anchors(self) -> list[str]:
        return list(anchors_of(seen.rendered for seen in self._seen))

    def anchored(self, most: int) -> Iterator[tuple[str, str, tuple[int, int]]]:
        """(title, anchor, span) of the first `most` sections, without those whose anchor leads elsewhere."""
        for heading, anchor in list(zip(self._headings, self._anchors, strict=True))[:most]:
            span = self.section(anchor)
            if span is not None and span[0] == heading.start:
                yield heading.title, anchor, span


def _headings(body: Body) -> Iterator[_Heading]:
    for match in _CANDIDATE.finditer(body.text, body.start):
        mark = match.start("marks") if match["marks"] else match.start("line")
        if body.is_literal(mark, mark + 1):
            continue
        if match["marks"]:
            title = _without_closing_marks(match["title"] or "")
            yield _Heading(len(match["marks"]), match.start(), _plain(title))
            continue
        start = _paragraph_above(body, match.start())
        if start < match.start():
            yield _Heading("=-".index(match["line"][0]) + 1, start, _plain(body.text[start : match.start()]))


def _without_closing_marks(title: str) -> str:
    """A title without the `#` marks at its end, if a blank is before them."""
    marked = title.rstrip(" \t\r")
    bare = marked.rstrip("#")
    return bare if bare != marked and bare[-1:] in ("", " ", "\t") else title


def _paragraph_above(body: Body, end: int) -> int:
    """Where the paragraph that ends at `end` begins; `end` itself if what is above is none."""
    start = end
    while start > body.start:
        above = body.text.rfind("\n", body.start, start - 1) + 1 or body.start
        line = body.text[above : start - 1]
        if _CONTAINER.match(line):
            return end
        if _NO_PARAGRAPH.match(line) or body.kind_at(above) in ("fence", "comment"):
            break
        start = above
    return start


def _plain(title: str) -> str:
    return " ".join(title.split())
