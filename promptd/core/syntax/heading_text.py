"""What a reader sees of a heading, and the anchor that GitHub gives it.

Markup is removed as GitHub does: of links, emphasis, code, HTML and entities the text stays, of images
nothing. Anchors follow github-slugger, counting included. Where tools differ (the alternative text of an
image, a label that is defined in another file, the blank that an image or a comment leaves behind, an
identifier in braces) their anchors are kept as `others`, for a name that is nothing else.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from promptd.core.syntax.markdown import Body

MAX_HEADING_CHARS = 2_048  # twice the longest name; longer ones are read as they are written
MAX_BRACKETS = 64  # opened in one heading: for each the parser looks at all that follow it

_MARKUP = re.compile(r"[\\`*_\[<&~{]")
_LABEL = re.compile(r"^ {0,3}\[([^\[\]\n]{1,200})\]:", re.MULTILINE)
_REFERENCE = re.compile(r"\]\[([^\[\]\n]{1,200})\]")
_ATTRIBUTES = re.compile(r"\{:?[ \t]*([#.][^{}]*)\}$")
_IDENTIFIER = re.compile(r"#([^\s{}]+)")
_EMOJI_STYLE = "\ufe0f"  # a mark, so that it stays in an anchor, though nobody types it
# Letters to Unicode's `Alphabetic`, which is what GitHub asks, though symbols by category.
_CIRCLED = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))


class HeadingText(NamedTuple):
    """`rendered` is the text with all its blanks, `text` is it as a name, `others` are less usual anchors."""

    rendered: str
    text: str
    others: frozenset[str] = frozenset()


def links_in(body: Body) -> dict[str, dict[str, str]]:
    """The labels of links that a text defines, each with a target, as the parser takes them."""
    return _links(match[1] for match in _LABEL.finditer(body.text, body.start))


def seen_of(title: str, links: Mapping[str, dict[str, str]]) -> HeadingText:
    """What is seen of a heading's title. `links`: those that its file defines."""
    is_long = len(title) > MAX_HEADING_CHARS or title.count("[") > MAX_BRACKETS
    if is_long or not _MARKUP.search(title):
        return HeadingText(title, title, _usable({slug(title).replace(_EMOJI_STYLE, "")}))
    rendered, with_images = _rendered(title, links)
    others = {slug(rendered).replace(_EMOJI_STYLE, ""), slug(with_images), slug(rendered.strip())}
    elsewhere = _links(_REFERENCE.findall(title))
    if elsewhere:
        linked = _rendered(title, {**links, **elsewhere})[0]
        others |= {slug(linked), " ".join(linked.split())}
    attributes = _ATTRIBUTES.search(title)
    if attributes:
        bare = _rendered(title[: attributes.start()].rstrip(), links)[0]
        others |= {bare, slug(bare), *_IDENTIFIER.findall(attributes[1])}
    return HeadingText(rendered, " ".join(rendered.split()), _usable(others))


def _usable(others: set[str]) -> frozenset[str]:
    return frozenset(others - {""})


def _links(labels: Iterable[str]) -> dict[str, dict[str, str]]:
    return {" ".join(label.split()).lower().upper(): {"href": "#", "title": ""} for label in labels}


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt  # here: most sections are named as their heading is written

    return MarkdownIt("commonmark").enable("strikethrough")


def _rendered(title: str, links: Mapping[str, dict[str, str]]) -> tuple[str, str]:
    """The text of a heading without markup, and the same with what stands for its images."""
    text: list[str] = []
    images: list[str] = []
    for token in _parser().parseInline(title, {"references": dict(links)})[0].children:
        if token.type == "image":
            images.append(token.content)
            continue
        piece = token.content if token.type in ("text", "code_inline") else ""
        text.append(piece)
        images.append(piece)
    return "".join(text), "".join(images)


def anchors_of(texts: Iterable[str]) -> Iterator[str]:
    """The anchor of each heading of a text in order: what was given once is not given again."""
    given: dict[str, int] = {}
    for text in texts:
        base = anchor = slug(text)
        while anchor in given:
            given[base] += 1
            anchor = f"{base}-{given[base]}"
        given[anchor] = 0
        yield anchor


def slug(title: str) -> str:
    """The anchor GitHub gives a heading: letters in lower case, marks and digits; blanks to hyphens."""
    return "".join(filter(_is_kept, title.lower())).replace(" ", "-")


def _is_kept(character: str) -> bool:
    if character in " -":
        return True
    category = unicodedata.category(character)
    if category in ("Nd", "Nl", "Pc") or category[0] in "LM":
        return True
    return category == "So" and any(first <= ord(character) <= last for first, last in _CIRCLED)
