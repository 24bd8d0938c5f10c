"""What a strategy tore: a pure look at a text before and after that shares no code with promptd.

`damage(source, result)` lists it, an empty list for none: lines run together, blocks that became one, empty
items, gaps in numbers, marks left open, lead-ins without what they led to, torn tables, and indentation that
is not what it was among the lines of one run. Nothing is said about what was removed as a whole.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

MARK = "<!-- shortened -->"
_REFERENCE = re.compile(r"^[ \t]*\(Same text as above: [^\n]*\)\n", re.MULTILINE)

_FENCE = re.compile(r"\s*(?:[-*+>]\s+|\d+[.)]\s+)*(`{3,}|~{3,})")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_TAGS_ONLY = re.compile(r"\s*(?:(?:</?[A-Za-z!][^<>]*>\s*)+|<(\w[^<> ]*)[^<>]*>.*</\1>)\Z")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,9}[.)])(\s+|\Z)(\[[ xX]\]\s*)?")
_HEADING = re.compile(r"\s*#{1,6}(?:\s|\Z)")  # in elements at any indentation
_RULE = re.compile(r"\s*(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,}|[═━─=]{3,})\Z")
# Comments, and before them what may hold one that is shown: fences and code spans.
_COMMENT = re.compile(
    r"(?P<code>^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*\n(?s:.*?)(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?P<tick>`+)(?!`)(?:(?!\n[ \t]*\n)(?s:.))+?(?<!`)(?P=tick)(?!`))|<!--(?s:.*?)-->",
    re.MULTILINE,
)
_DELIMITER = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*\Z")
_WORD = re.compile(r"[^\W_]+|[^\w\s*_|]")


@dataclass(slots=True)
class Line:
    """One line outside comments: what it says, what it is, and which block and run of the text it is in."""

    number: int
    text: str
    kind: str  # text, item, heading, table, quote, rule, tag, code
    block: int
    run: int
    words: tuple[str, ...] = ()
    is_after_blank: bool = False

    @property
    def indent(self) -> int:
        """In columns."""
        blank = self.text[: len(self.text) - len(self.text.lstrip())]
        return len(blank.expandtabs(4))


def damage(source: str, result: str) -> list[str]:
    """What is torn in a result, one sentence each; a line that refers to the same text above is not."""
    result = _REFERENCE.sub("", result)
    if source == result:
        return []
    before, after = lines_of(source), lines_of(result)
    pairs = list(_paired(before, after))
    return [
        *_run_together(pairs),
        *_became_one(before, [(own, line) for line, own in pairs if own is not None]),
        *_empty_items(before, after),
        *_gaps(before, after),
        *_left_open(before, pairs),
        *_leads_nowhere(before, pairs),
        *_torn_tables(before, after),
    ]


# -- reading --------------------------------------------------------------------------------------


def lines_of(text: str) -> list[Line]:
    """The lines that are not blank and not comments, with what they are."""
    found: list[Line] = []
    fence, was_blank, block, run = "", True, 0, 0
    for number, raw in enumerate(_without_comments(text).split("\n")):
        line = raw.rstrip()
        if not line and not fence:
            was_blank = True
            continue
        match = _FENCE.match(line)
        kind = "code" if fence or match else _kind(line)
        last = found[-1].kind if found else ""
        if not _goes_on(kind, last, is_apart=was_blank):
            block += 1
        run += kind == "tag" or last == "tag"
        words = tuple(_WORD.findall(line)) if kind != "code" else ()
        found.append(Line(number, line, kind, block, run, words, was_blank))
        was_blank = False
        if fence:
            fence = "" if match and match[1].startswith(fence) and line.strip() == match[1] else fence
        elif match:
            fence = match[1]
    return found


def _without_comments(text: str) -> str:
    """Line endings unified, comments blanked; one that is all of its lines leaves blank lines."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _COMMENT.sub(lambda match: match["code"] or "\n" * match[0].count("\n"), text)


def _kind(line: str) -> str:
    if _RULE.match(line):
        return "rule"
    if _ITEM.match(line):
        return "item"
    if _HEADING.match(line):
        return "heading"
    if _TAGS_ONLY.match(line):
        return "tag"
    return {"|": "table", ">": "quote"}.get(line.lstrip()[:1], "text")


def _goes_on(kind: str, last: str, *, is_apart: bool) -> bool:
    """True if a line belongs to the block of the line before it."""
    if kind == "code" or is_apart:
        return kind == last == "code"
    return kind == last if kind in ("table", "quote") else kind == "text" and last in ("text", "item")


# -- which line of the source a line of the result is ---------------------------------------------


def _paired(before: Sequence[Line], after: Sequence[Line]) -> Iterator[tuple[Line, Line | None]]:
    """Each line of the result with the first line of the source, in order, that it can be what is left of.

    A line of prose may be made of several lines of one block, between which sentences were taken out.
    """
    places: dict[str, list[int]] = {}
    blocks: dict[int, list[str]] = {}
    members: dict[int, dict[str, Line]] = {}
    for index, line in enumerate(before):
        for word in set(line.words):
            places.setdefault(word, []).append(index)
        blocks.setdefault(line.block, []).extend(line.words)
        members.setdefault(line.block, {})[line.kind] = line
    said = [line for line in after if line.kind not in ("code", "rule", "tag") and line.words]
    fitting = [_fitting(line, before, places) for line in said]
    latest = _latest(fitting, len(before))
    position = 0
    last: Line | None = None
    for line, fits, limit in zip(said, fitting, latest, strict=True):
        later = [index for index in fits if position <= index <= limit]
        equal = (index for index in later if before[index].words == line.words)
        index = next(equal, later[0] if later else None)
        if index is not None:
            position = index + 1
            found: Line | None = before[index]
        else:
            near = [last.block] if last is not None else []
            near += sorted({before[index].block for index in places.get(line.words[0], ())})
            whole = (one for one in near if line.kind in members[one])
            found = next(
                (members[one][line.kind] for one in whole if _is_left_of(line.words, blocks[one])), None
            )
        last = found or last
        yield line, found


def _fitting(line: Line, before: Sequence[Line], places: Mapping[str, list[int]]) -> list[int]:
    """The lines of the same kind that a line can be what is left of."""
    key = min(line.words, key=lambda word: len(places.get(word, ())))
    return [
        index
        for index in places.get(key, [])
        if before[index].kind == line.kind and _is_left_of(line.words, before[index].words)
    ]


def _latest(fitting: Sequence[Sequence[int]], end: int) -> list[int]:
    """For each line the last one that it can be, so that those after it still find theirs."""
    found: list[int] = []
    for fits in reversed(fitting):
        place = bisect_left(fits, end) - 1
        end = fits[place] if place >= 0 else end
        found.append(fits[place] if place >= 0 else -1)
    return found[::-1]


def _is_left_of(words: Sequence[str], whole: Sequence[str]) -> bool:
    rest = iter(whole)
    return all(word in rest for word in words)


def _run_together(pairs: Sequence[tuple[Line, Line | None]]) -> Iterator[str]:
    for line, own in pairs:
        if own is None:
            yield f"runs together, is reworded, or is another kind of block: {line.text!r}"


def _became_one(before: Sequence[Line], pairs: Sequence[tuple[Line, Line]]) -> Iterator[str]:
    blocks: dict[int, list[Line]] = {}
    for each in before:
        blocks.setdefault(each.block, []).append(each)
    for (own, line), (next_own, following) in pairwise(pairs):
        if line.block == following.block and own.block != next_own.block:
            if any(_is_left_of(line.words, each.words) for each in blocks[next_own.block]):
                continue  # the same words are in that block too
            yield f"two blocks became one: {line.text!r} and {following.text!r}"


# -- lists ----------------------------------------------------------------------------------------


def _empty_items(before: Sequence[Line], after: Sequence[Line]) -> Iterator[str]:
    def empty(lines: Sequence[Line]) -> Counter[str]:
        items = (line.text.strip() for line in lines if line.kind == "item")
        return Counter(each for each in items if (match := _ITEM.match(each)) and match.end() == len(each))

    for item in (empty(after) - empty(before)).elements():
        yield f"an item is empty: {item!r}"


def _gaps(before: Sequence[Line], after: Sequence[Line]) -> Iterator[str]:
    for last, number in (_jumps(after) - _jumps(before)).elements():
        yield f"a gap in a numbered list: {last} is followed by {number}"


def _jumps(lines: Sequence[Line]) -> Counter[tuple[int, int]]:
    """How often a number follows another that is not the one before it; 0 stands before the first."""
    found: Counter[tuple[int, int]] = Counter()
    open_lists: list[tuple[int, int]] = []  # indentation and last number
    for line in lines:
        if line.kind in ("heading", "tag"):
            open_lists = []
        match = _ITEM.match(line.text) if line.kind == "item" else None
        if match is None:
            continue
        while open_lists and open_lists[-1][0] > line.indent:
            open_lists.pop()
        digits = match[2][:-1]
        if not digits:
            continue
        last = open_lists.pop()[1] if open_lists and open_lists[-1][0] == line.indent else 0
        if int(digits) not in (1, last + 1):
            found[last, int(digits)] += 1
        open_lists.append((line.indent, int(digits)))
    return found


def _leads_nowhere(before: Sequence[Line], pairs: Sequence[tuple[Line, Line | None]]) -> Iterator[str]:
    """A line that ends in a colon and led to a list leads to a member of that list, of whatever depth."""
    for (line, own), (following, next_own) in zip(pairs, [*pairs[1:], (None, None)], strict=False):
        if own is None or own.kind not in ("text", "item") or not own.text.rstrip("*_ ").endswith(":"):
            continue
        if not line.text.rstrip("*_ ").endswith(":"):
            continue
        same = [index for index, each in enumerate(before) if each.words == own.words]
        lists = [_list_after(before, index) for index in same]
        next_line = next_own or following
        said = next_line.words if next_line is not None else ("",)
        if all(led and not any(_is_left_of(said, each.words) for each in led) for led in lists):
            yield f"leads to nothing: {line.text!r}"


def _list_after(lines: Sequence[Line], index: int) -> Sequence[Line]:
    """The items that follow a line at once, and what stands between them."""
    first = index + 1
    last = first
    is_below = lines[index].kind != "item" or (
        first < len(lines) and lines[first].indent > lines[index].indent
    )
    while is_below and last < len(lines) and lines[last].kind in ("item", "text"):
        if lines[last].kind == "text" and lines[last].is_after_blank:
            break
        if last == first and lines[last].kind == "text":
            break
        last += 1
    return lines[first:last]


# -- marks and tables -----------------------------------------------------------------------------

_PAIRS = ("()", "[]", "{}", "“”", "«»")


def _left_open(before: Sequence[Line], pairs: Sequence[tuple[Line, Line | None]]) -> Iterator[str]:
    whole: dict[int, str] = {}
    for line in before:
        whole[line.block] = f"{whole.get(line.block, '')}\n{line.text}"
    left: dict[int, str] = {}
    for line, own in pairs:
        if own is not None:
            left[own.block] = f"{left.get(own.block, '')}\n{line.text}"
    for block, text in left.items():
        for mark in _open_marks(text) - _open_marks(whole[block]):
            yield f"{mark} is left open: {text.strip()!r}"


def _open_marks(text: str) -> set[str]:
    """The marks of a block that are not closed."""
    found = {"`"} if text.count("`") % 2 else set()
    text = re.sub(r"`[^`]*`", "", re.sub(r"^\s*(?:[-*+]|\d+[.)])\s", "", text, flags=re.MULTILINE))
    found |= {mark for mark in ("**", "__", "~~", '"') if text.count(mark) % 2}
    found |= {pair for pair in _PAIRS if text.count(pair[0]) != text.count(pair[1])}
    single = text.replace("**", "").replace("__", "")
    for mark in "*_":
        opening = re.findall(rf"(?<![\w{mark}])\{mark}(?=[^\s{mark}])", single)
        closing = re.findall(rf"(?<=[^\s{mark}])\{mark}(?![\w{mark}])", single)
        found |= {mark} if len(opening) != len(closing) else set()
    return found


def _torn_tables(before: Sequence[Line], after: Sequence[Line]) -> Iterator[str]:
    tables = set(_tables(before))
    for table in _tables(after):
        if table not in tables:
            yield f"a table is torn: {table[0]!r}"


def _tables(lines: Sequence[Line]) -> Iterator[tuple[str, ...]]:
    """Each table as its rows, without the padding of its cells."""
    rows: dict[int, list[str]] = {}
    for line in lines:
        if line.kind == "table":
            rows.setdefault(line.block, []).append(re.sub(r"[\s*_]+", "", line.text))
    return (tuple(each) for each in rows.values())


# -- indentation ----------------------------------------------------------------------------------


def steps(text: str) -> Counter[int]:
    """How far each line of a run between tags is in or out against the line before it."""
    found: Counter[int] = Counter()
    lines = lines_of(text)
    for line, following in pairwise(lines):
        if line.run == following.run and "tag" not in (line.kind, following.kind):
            found[following.indent - line.indent] += 1
    return found
