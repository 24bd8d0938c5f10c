"""Passes over markup within lines: labels, bold, JSON in fences. No pass changes a word.

Sentences that instruct, quoted strings and all other literals are left as they are. Only `json_code`
edits inside code, and only where the value stays equal and tokens are saved.
"""

import json
import re
from collections.abc import Iterator

from promptd.core.optimise.edits import Edit
from promptd.core.optimise.instructing import is_instructing
from promptd.core.optimise.page import Page
from promptd.core.optimise.passes.base import Context
from promptd.core.optimise.units import sentences

_LABEL = re.compile(
    r"^[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?:\[[ xX]\][ \t]+)?(\*\*|__)(?=\S)", re.MULTILINE
)
# Not where a letter touches the outside: `2**3**4` and `f(**a)**b` are no bold.
_BOLD = re.compile(r"(?<![*\\\w])(?P<open>\*\*)(?=[^\s*])[^*\n]*(?<=[^\s*])(?P<close>\*\*)(?![*\w])")
_JSON_FENCE = re.compile(
    r"(?P<open>[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*+(?:json)?[ \t]*+\n)"
    r"(?P<value>.*\n)[ \t]*(?P=fence)[ \t]*\n?",
    re.DOTALL | re.IGNORECASE,
)
# A string, also one that is never closed, or a blank.
_JSON_PARTS = re.compile(r'("(?:[^"\\]++|\\.)*+(?:"|\\?\Z|(?=\\)))|\s+')
MAX_JSON_DEPTH = 200  # far below where the parser of the standard library gives up


def labels(page: Page, context: Context) -> Iterator[Edit]:
    """`**Label**:` at the beginning of an item or paragraph becomes `Label:`, unless the label instructs."""
    for block in page.root.walk():
        if block.kind in ("item", "paragraph"):
            for match in _LABEL.finditer(page.text, block.start, block.head):
                yield from _label(page, match)


def _label(page: Page, match: re.Match[str]) -> Iterator[Edit]:
    mark = match[1]
    line_end = page.text.find("\n", match.end())
    line = page.text[match.end() : line_end if line_end >= 0 else len(page.text)]
    closing = line.find(mark)
    if closing < 1 or line[closing - 1].isspace():
        return
    label, after = line[:closing], line[closing + len(mark) :]
    is_label = label.endswith(":") or (after.startswith(":") and len(after.strip()) >= 1)
    start, end = match.start(1), match.end() + closing
    if not is_label or "*" in label or is_instructing(label) or not page.is_free(start, end + len(mark)):
        return
    yield Edit(start, start + len(mark))
    yield Edit(end, end + len(mark))


def emphasis(page: Page, context: Context) -> Iterator[Edit]:
    """Bold inside a line becomes plain, not in sentences that instruct nor where a whole line is."""
    for block in page.root.walk():
        if block.kind not in ("paragraph", "item"):
            continue
        for start, end in sentences(page, block.start, block.head):
            if not is_instructing(page.text[start:end]):
                for match in _BOLD.finditer(page.text, start, end):
                    yield from _plain(page, match)


def _plain(page: Page, match: re.Match[str]) -> Iterator[Edit]:
    line_start = page.text.rfind("\n", 0, match.start()) + 1
    newline = page.text.find("\n", match.end())
    around = (
        page.text[line_start : match.start()] + page.text[match.end() : newline if newline >= 0 else None]
    )
    marks = match.span("open"), match.span("close")
    if around.strip() and all(page.is_free(*mark) for mark in marks):
        yield from (Edit(start, end) for start, end in marks)


def json_code(page: Page, context: Context) -> Iterator[Edit]:
    """Write JSON in fences without white space, where it parses and tokens are saved; the value is equal."""
    for block in page.root.walk():
        if block.kind == "code" and page.is_removable(block.start, block.end):
            match = _JSON_FENCE.fullmatch(page.text, block.start, block.end)
            if match is not None and (small := minified(match["value"])) is not None:
                small = f"{small}\n"
                if context.count(small) < context.count(match["value"]):
                    yield Edit(match.start("value"), match.end("value"), small)


def minified(value: str) -> str | None:
    """JSON without white space between its tokens, or None if it is not an object or array that parses.

    Numbers, escapes, key order and doubled keys stay as they are written.
    """
    if not value.lstrip().startswith(("{", "[")) or _nesting(value) > MAX_JSON_DEPTH:
        return None
    try:
        json.loads(value, parse_constant=_refuse, parse_int=str, parse_float=str)
    except ValueError:
        return None
    return _JSON_PARTS.sub(lambda part: part[1] or "", value)


def _nesting(value: str) -> int:
    deepest = depth = 0
    for character in _JSON_PARTS.sub("", value):
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    return deepest


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
