"""Near twins: units that differ in one thing. What they differ in is what their author meant, so both stay.

Two texts are twins if they have the same characters in another order ("from alpha to omega", "from omega to
alpha"), if all but one stretch of them is equal, or if they share most of their words. Only neighbours in a
few sorted orders are compared, so that the time is that of sorting. Case and white space make no difference
here: a twin too many costs a few tokens.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Postfix, Prefix

from promptd.core.optimise.reading import Reading

NEIGHBOURS = 2  # compared on each side, in each order
EQUAL_ENDS = 0.55  # of the longer text, if all but one stretch is equal
EQUAL_WORDS = 0.75  # of both, wherever they are (Dice)
MAX_STRETCH = 2  # words of a short text in which twins may differ
_TRIMMED = ".!?。…:;,*_ "  # noqa: RUF001


def with_twins(reading: Reading) -> frozenset[int]:
    """Where the units end that have a near twin on the page; code is not looked at."""
    prose = [unit for unit in reading.units if not unit.is_code]
    return frozenset(prose[index].end for index in near_twins([unit.text for unit in prose]))


def near_twins(texts: Sequence[str]) -> frozenset[int]:
    """The indices of the texts that have a near twin among them."""
    folded = [" ".join(text.casefold().split()).strip(_TRIMMED) for text in texts]
    found: set[int] = set()
    for one, other in _neighbours(folded):
        if not (one in found and other in found) and is_twin(folded[one], folded[other]):
            found |= {one, other}
    return frozenset(found)


def _neighbours(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    orders: tuple[list[str], ...] = (
        list(texts),
        [text[::-1] for text in texts],
        ["".join(sorted(text)) for text in texts],
        [" ".join(sorted(text.split(), key=lambda word: (-len(word), word))) for text in texts],
    )
    seen: set[tuple[int, int]] = set()
    for keys in orders:
        order = sorted((index for index in range(len(texts)) if texts[index]), key=keys.__getitem__)
        for distance in range(1, NEIGHBOURS + 1):
            for pair in zip(order, order[distance:], strict=False):
                if pair not in seen:
                    seen.add(pair)
                    yield pair


def is_twin(one: str, other: str) -> bool:
    """True if two folded texts differ in one thing, or in none."""
    if one == other:
        return True
    longer = max(len(one), len(other))
    ends = min(Prefix.similarity(one, other) + Postfix.similarity(one, other), len(one), len(other))
    if ends >= EQUAL_ENDS * longer:
        return True
    mine, theirs = one.split(), other.split()
    if len(one) == len(other) and sorted(one) == sorted(other):
        return True
    if len(mine) == len(theirs) <= 2 * MAX_STRETCH + 1:
        differing = sum(a != b for a, b in zip(mine, theirs, strict=True))
        return len(mine) > 2 and differing <= min(MAX_STRETCH, len(mine) - 2)
    shared = sum((Counter(mine) & Counter(theirs)).values())
    return 2 * shared >= EQUAL_WORDS * (len(mine) + len(theirs)) and shared > MAX_STRETCH
