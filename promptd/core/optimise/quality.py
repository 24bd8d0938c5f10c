"""What an optimisation kept, as four figures that are never blended into one.

Each figure is kept / had. *Literals*: distinct code, URLs, paths, numbers, placeholders, quoted strings and
instructing words. *Information*: the inverse document frequencies of the distinct words. *Instructions*:
instructing units that stay, or whose near equal stays. *Structure*: headings, levels of lists, and tags that
are balanced as they were. Comments are no content: what occurs in them alone is not counted.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from promptd.core.optimise.blocks import read
from promptd.core.optimise.instructing import guard_words, instructing_words, is_instructing
from promptd.core.optimise.page import Page
from promptd.core.optimise.records import Quality, Share
from promptd.core.optimise.units import sentences, spoken, without_indent
from promptd.core.optimise.words import Idf, fold


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a text has, as far as quality is concerned."""

    literals: frozenset[tuple[str, str]]
    words: frozenset[str]
    instructions: tuple[tuple[str, tuple[str, ...]], ...]  # folded unit, its guard words
    headings: frozenset[str]
    depth: int
    tags: Mapping[str, int]  # name -> opened minus closed
    said: str  # every word outside comments, in order


def inventory(text: str) -> Inventory:
    """Look at a text for `compare`. Linear."""
    return inventory_of(read(text))


def inventory_of(page: Page) -> Inventory:
    """Look at a page that is read already."""
    said = list(spoken(page))
    return Inventory(
        frozenset(_literals(page)),
        frozenset(said),
        tuple(_instructions(page)),
        frozenset(_headings(page)),
        _depth(page),
        _tags(page),
        f" {' '.join(said)} ",
    )


MAX_SEARCHED = 500  # units that are no unit of the result; of more, the others count as lost
MAX_COMPARED_CHARS = 2_000  # longer units are equal or not
MAX_ALIKE = 1_000  # units that one is compared with


def compare(source: Inventory, result: Inventory, idf: Idf, similarity: float = 0.92) -> Quality:
    """The four figures of a result."""
    same = {unit for unit, _ in result.instructions}
    others = [each for each in source.instructions if each[0] not in same]
    kept = len(source.instructions) - len(others)
    alike = _by_guard(result) if others else {}
    kept += sum(
        f" {unit} " in result.said or _near(unit, alike.get(guard, ()), similarity)
        for unit, guard in others[:MAX_SEARCHED]
    )
    structure = len(source.headings & result.headings) + min(source.depth, result.depth)
    structure += sum(result.tags.get(name, 0) == balance for name, balance in source.tags.items())
    return Quality(
        Share(len(source.literals & result.literals), len(source.literals)),
        Share(idf.sum(source.words & result.words), idf.sum(source.words)),
        Share(kept, len(source.instructions)),
        Share(structure, len(source.headings) + source.depth + len(source.tags)),
    )


def _by_guard(result: Inventory) -> dict[tuple[str, ...], list[str]]:
    """The units of a result that others may be compared with."""
    found: dict[tuple[str, ...], list[str]] = {}
    for unit, guard in result.instructions:
        group = found.setdefault(guard, [])
        if len(unit) <= MAX_COMPARED_CHARS and len(group) < MAX_ALIKE:
            group.append(unit)
    return found


def _near(unit: str, alike: Sequence[str], similarity: float) -> bool:
    if len(unit) > MAX_COMPARED_CHARS:
        return False
    return process.extractOne(unit, alike, scorer=fuzz.ratio, score_cutoff=100 * similarity) is not None


def _literals(page: Page) -> Iterator[tuple[str, str]]:
    for anchor in page.anchors:
        written = page.text[anchor.start : anchor.end]
        if anchor.kind not in ("comment", "tag"):
            yield anchor.kind, normal(anchor.kind, written)
    for start, end in _units(page):
        for word in instructing_words(page.text[start:end]):
            yield "instructing", word


def code_of(page: Page) -> frozenset[str]:
    """The distinct code of a page: blocks and spans, as they are compared."""
    found = (page.text[anchor.start : anchor.end] for anchor in page.anchors if anchor.kind == "code")
    return frozenset(normal("code", written) for written in found)


def normal(kind: str, written: str) -> str:
    """An anchor as it is compared: code without shared indentation, JSON by value, no stop."""
    if kind == "number":
        return written.rstrip(".,:")
    return _json_value(without_indent(written)) if kind == "code" else written


def _json_value(code: str) -> str:
    lines = code.split("\n")
    body = "\n".join(lines[1:-1]) if len(lines) > 2 else ""
    if not body.lstrip().startswith(("{", "[")):
        return code
    try:
        return json.dumps(json.loads(body, parse_int=str, parse_float=str))
    except (ValueError, RecursionError):
        return code


def _instructions(page: Page) -> Iterator[tuple[str, tuple[str, ...]]]:
    for start, end in _units(page):
        text = page.text[start:end]
        if is_instructing(text):
            yield fold(text), guard_words(text)


def _units(page: Page) -> Iterator[tuple[int, int]]:
    for block in page.root.walk():
        if block.kind in ("paragraph", "item"):
            yield from sentences(page, block.start, block.head)
        elif block.kind not in ("root", "code", "comment", "element"):
            yield block.start, block.head


def _headings(page: Page) -> Iterator[str]:
    for block in page.root.walk():
        if block.kind == "section":
            yield fold(page.text[block.start : block.head])


def _depth(page: Page) -> int:
    return max((block.depth + 1 for block in page.root.walk() if block.kind == "item"), default=0)


def _tags(page: Page) -> Mapping[str, int]:
    balance: Counter[str] = Counter()
    for anchor in page.anchors:
        written = page.text[anchor.start : anchor.end]
        if anchor.kind == "tag" and not written.endswith("/>") and written[:2] not in ("<!", "]]"):
            name = written.strip("</>").split(None, 1)[0]
            balance[name] += -1 if written.startswith("</") else 1
    return balance
