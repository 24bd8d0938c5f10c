"""What an optimisation kept, as four figures that are never blended into one.

Each figure is kept / had, and 1 only where a reader could not tell (`reading` says what is compared).
*Literals*: distinct code, URLs, paths, numbers, placeholders, quoted strings and instructing words.
*Information*: the distinct words by their inverse document frequency, and the units (sentences, items, rows,
headings, tags, code) by that of the commonest word; a unit counts once for each place that says it.
*Instructions*: the units that instruct, likewise. *Structure*: headings, list items and their numbers, rows,
tags and their nesting, each time they occur, and of the units that are left their order and their place (the
heading, tag or item they are in, and what leads to them). Comments are no
content: what occurs in them alone is not counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log

from rapidfuzz.distance import LCSseq

from promptd.core.optimise.blocks import read
from promptd.core.optimise.instructing import instructing_words, is_instructing
from promptd.core.optimise.page import Page
from promptd.core.optimise.reading import PageUnits, ReadUnit, normal, read_units
from promptd.core.optimise.records import Quality, Share
from promptd.core.optimise.units import spoken
from promptd.core.optimise.words import Idf

UNIT_NATS = log(2)  # what a unit tells beyond its words: as much as a word of every text


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a text has, as far as quality is concerned."""

    literals: frozenset[tuple[str, str]]
    words: frozenset[str]
    units: Mapping[str, int]  # text -> how many places say it
    instructions: Mapping[str, int]  # those of the units that instruct
    said: Mapping[str, int]  # text of a unit -> how often it is said, wherever
    reading: PageUnits


def inventory(text: str) -> Inventory:
    """Look at a text for `compare`. Linear."""
    return inventory_of(read(text))


def inventory_of(page: Page) -> Inventory:
    """Look at a page that is read already."""
    return inventory_of_reading(page, read_units(page))


def inventory_of_reading(page: Page, reading: PageUnits) -> Inventory:
    """Look at a page of which the units are read already as well."""
    places = {
        (unit.text, unit.place): is_instructing(unit.text) and not unit.is_code for unit in reading.units
    }
    return Inventory(
        frozenset(_literals(page, reading)),
        frozenset(spoken(page)),
        Counter(text for text, _ in places),
        Counter(text for (text, _), is_order in places.items() if is_order),
        Counter(unit.text for unit in reading.units),
        reading,
    )


def compare(source: Inventory, result: Inventory, idf: Idf) -> Quality:
    """The four figures of a result."""
    return Quality(
        Share(len(source.literals & result.literals), len(source.literals)),
        information(source, result, idf),
        Share(_kept(source.instructions, result.said), sum(source.instructions.values())),
        _structure(source, result),
    )


def information(source: Inventory, result: Inventory, idf: Idf) -> Share:
    """The information of a source, in nats, and how much of it a result has."""
    kept = idf.sum(source.words & result.words) + UNIT_NATS * _kept(source.units, result.said)
    return Share(kept, idf.sum(source.words) + UNIT_NATS * sum(source.units.values()))


def _kept(source: Mapping[str, int], result: Mapping[str, int]) -> int:
    return sum(min(times, result.get(text, 0)) for text, times in source.items())


def _structure(source: Inventory, result: Inventory) -> Share:
    """The shape that is left in its order; of the units that are left, how many are in order and in place."""
    common = Counter(source.said) & Counter(result.said)
    before, after = _only(source.reading, common), _only(result.reading, common)
    kept = _in_order(source.reading.shape, result.reading.shape)
    kept += _in_order([unit.text for unit in before], [unit.text for unit in after])
    kept += sum((_placed(before) & _placed(after)).values())
    return Share(kept, len(source.reading.shape) + 2 * len(before))


def _only(reading: PageUnits, common: Mapping[str, int]) -> list[ReadUnit]:
    """The first so many units of each text."""
    left = dict(common)
    found: list[ReadUnit] = []
    for unit in reading.units:
        if left.get(unit.text, 0):
            left[unit.text] -= 1
            found.append(unit)
    return found


def _placed(units: Iterable[ReadUnit]) -> Counter[tuple[str, tuple[str, str]]]:
    return Counter((unit.text, unit.place) for unit in units)


def _in_order(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence; numbers, so that no hash of a text can matter."""
    numbers: dict[str, int] = {}
    first, second = ([numbers.setdefault(each, len(numbers)) for each in texts] for texts in (one, other))
    return len(first) if first == second else LCSseq.similarity(first, second)


def _literals(page: Page, reading: PageUnits) -> Iterator[tuple[str, str]]:
    for anchor in page.anchors:
        written = page.text[anchor.start : anchor.end]
        if anchor.kind not in ("comment", "tag"):
            yield anchor.kind, normal(anchor.kind, written)
    for unit in reading.units:
        if unit.is_code:
            continue
        for word in instructing_words(unit.text):
            yield "instructing", word


def code_of(page: Page) -> frozenset[str]:
    """The distinct code of a page: blocks and spans, as they are compared."""
    found = (page.text[anchor.start : anchor.end] for anchor in page.anchors if anchor.kind == "code")
    return frozenset(normal("code", written) for written in found)
