"""One section of a Markdown text: from its heading to the next heading of its level or above.

The Markdown library finds the headings (so a `#` in a fence is none); a section may be named by its
heading text or by the slug GitHub makes of it, with `-1`, `-2`, … for repeated ones.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

from markdown_it import MarkdownIt

_LINE_ENDING = re.compile(r"\r\n?|\n")  # as the Markdown library counts lines
_PARSER = MarkdownIt("commonmark").disable(["code", "html_block"])


@lru_cache(maxsize=256)
def section_span(text: str, start: int, name: str) -> tuple[int, int] | None:
    """The (start, end) code-point span of a section in a file's text, or None if there is none."""
    body = text[start:]
    lines = [0, *(match.end() for match in _LINE_ENDING.finditer(body))]
    headings = _headings(body)
    wanted = (name.strip().casefold(), slug(name))
    for index, (level, line, title, its_slug) in enumerate(headings):
        if title.casefold() == wanted[0] or its_slug == wanted[1]:
            following = (other[1] for other in headings[index + 1 :] if other[0] <= level)
            end_line = next(following, None)
            end = len(text) if end_line is None else start + lines[end_line]
            return start + lines[line], end
    return None


def _headings(body: str) -> list[tuple[int, int, str, str]]:
    """(level, line, title, slug) of each heading of a body, in order."""
    tokens = _PARSER.parse(body)
    found: list[tuple[int, int, str, str]] = []
    taken: dict[str, int] = {}
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.map:
            base = slug(inline.content)
            again = taken.get(base, 0)
            taken[base] = again + 1
            anchor = f"{base}-{again}" if again else base
            found.append((int(token.tag[1:]), token.map[0], inline.content.strip(), anchor))
    return found


def slug(title: str) -> str:
    """The anchor GitHub gives a heading: lower case, punctuation dropped, spaces to hyphens."""
    kept = (
        character
        for character in title.strip().lower()
        if character in " -_" or unicodedata.category(character)[0] in "LN"
    )
    return "".join(kept).replace(" ", "-")
