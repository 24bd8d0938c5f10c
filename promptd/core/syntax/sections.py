"""The headings of a Markdown text, and the section below one of its headings.

A section runs from its heading to the next heading of its level or above. Headings are `#` lines and
underlined paragraphs, indented or not, since XML-shaped prompts indent them, but not those in fences,
comments, quotes or list markers. A section may be named by its heading text or by the slug GitHub makes
of it, with `-1`, `-2`, … for repeated ones. Linear time; tests hold the headings against markdown-it-py.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from promptd.core.syntax.markdown import Body

_CANDIDATE = re.compile(
    r"^[ \t]*(?:(?P<marks>#{1,6})(?:[ \t]+(?P<title>[^\n]*))?|(?P<line>=+|-+)[ \t]*)\r?$", re.MULTILINE
)
_CLOSING_MARKS = re.compile(r"(?:^|[ \t]+)#+[ \t\r]*$")
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
        self._headings = tuple(_headings(Body(text, start)))
        self._slugs = tuple(_slugs(heading.title for heading in self._headings))

    def __repr__(self) -> str:
        return f"<Headings of {len(self._headings)} headings>"

    @property
    def titles(self) -> list[tuple[int, str]]:
        """(level, title) of every heading in order."""
        return [(heading.level, heading.title) for heading in self._headings]

    def section(self, name: str) -> tuple[int, int] | None:
        """The (start, end) code-point span of a section in the file's text, or None if there is none."""
        title, anchor = _plain(name).casefold(), slug(name)
        for index, heading in enumerate(self._headings):
            if title and (heading.title.casefold() == title or self._slugs[index] == anchor):
                following = (other for other in self._headings[index + 1 :] if other.level <= heading.level)
                return heading.start, next((other.start for other in following), self._end)
        return None

    def anchored(self, most: int) -> Iterator[tuple[str, str, tuple[int, int]]]:
        """(title, anchor, span) of the first `most` sections, without those whose anchor leads elsewhere."""
        for heading, anchor in list(zip(self._headings, self._slugs, strict=True))[:most]:
            span = self.section(anchor)
            if span is not None and span[0] == heading.start:
                yield heading.title, anchor, span


def _headings(body: Body) -> Iterator[_Heading]:
    for match in _CANDIDATE.finditer(body.text, body.start):
        mark = match.start("marks") if match["marks"] else match.start("line")
        if body.is_literal(mark, mark + 1):
            continue
        if match["marks"]:
            title = _CLOSING_MARKS.sub("", match["title"] or "")
            yield _Heading(len(match["marks"]), match.start(), _plain(title))
            continue
        start = _paragraph_above(body, match.start())
        if start < match.start():
            yield _Heading("=-".index(match["line"][0]) + 1, start, _plain(body.text[start : match.start()]))


def _paragraph_above(body: Body, end: int) -> int:
    """Where the paragraph that ends at `end` begins; `end` itself if what is above is none."""
    start = end
    while start > body.start:
        above = body.text.rfind("\n", body.start, start - 1) + 1 or body.start
        line = body.text[above : start - 1]
        if _CONTAINER.match(line):
            return end
        if _NO_PARAGRAPH.match(line) or body.is_literal(above, above + 1):
            break
        start = above
    return start


def _plain(title: str) -> str:
    return " ".join(title.split())


def _slugs(titles: Iterator[str]) -> Iterator[str]:
    taken: dict[str, int] = {}
    for title in titles:
        base = slug(title)
        again = taken.get(base, 0)
        taken[base] = again + 1
        yield f"{base}-{again}" if again else base


def slug(title: str) -> str:
    """The anchor GitHub gives a heading: lower case, punctuation dropped, spaces to hyphens."""
    kept = (
        character
        for character in title.strip().lower()
        if character in " -_" or unicodedata.category(character)[0] in "LMN"
    )
    return "".join(kept).replace(" ", "-")
