"""Near twins: units that differ in one thing. What they differ in is what their author meant, so both stay.

Two texts are twins if they have the same characters in another order ("from alpha to omega", "from omega to
alpha"), if all but one stretch of them is equal, if one is the other with something put in (a condition, an
exception), if few letters differ, or if they share most of their words. Only neighbours in a few sorted
orders and texts that share a rare word are compared, so that the time is that of sorting. Case and white
space make no difference here: a twin too many costs a few tokens.
"""

from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Indel, Postfix, Prefix

from promptd.core.optimise.reading import PageUnits

NEIGHBOURS = 2  # compared on each side, in each order
EQUAL_ENDS = 0.55  # of the longer text, if all but one stretch is equal
EQUAL_WORDS = 0.6  # of the distinct ones of both, wherever they are (Dice)
EQUAL_LETTERS = 0.72  # of both, in their order (Indel)
RARE = 6  # texts that share a word which says something of them
MAX_STRETCH = 2  # words of a short text in which twins may differ
_TRIMMED = ".!?。…:;,*_ "


def with_twins(reading: PageUnits) -> frozenset[int]:
    """Where the units end that have a near twin on the page; code is not looked at."""
    prose = [unit for unit in reading.units if not unit.is_code]
    return frozenset(prose[index].end for index in near_twins([unit.text for unit in prose]))


def near_twins(texts: Sequence[str]) -> frozenset[int]:
    """The indices of the texts that have a near twin among them."""
    folded = [" ".join(text.casefold().split()).strip(_TRIMMED) for text in texts]
    words = [frozenset(text.split()) for text in folded]
    found: set[int] = set()
    for one, other in _candidates(folded):
        if one in found and other in found:
            continue
        if _share_most(words[one], words[other]) or is_twin(folded[one], folded[other]):
            found |= {one, other}
    return frozenset(found)


def _share_most(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    shared = len(mine & theirs)
    return shared > MAX_STRETCH and 2 * shared >= EQUAL_WORDS * (len(mine) + len(theirs))


def _candidates(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs that may be twins: neighbours in a few orders, and texts that share a rare word."""
    seen: set[tuple[int, int]] = set()
    for group in (*_orders(texts), *_sharing(texts)):
        for distance in range(1, NEIGHBOURS + 1):
            for one, other in zip(group, group[distance:], strict=False):
                pair = (one, other) if one < other else (other, one)
                if pair not in seen:
                    seen.add(pair)
                    yield pair


def _orders(texts: Sequence[str]) -> Iterator[list[int]]:
    """By beginning, by end, and by the characters there are."""
    keys = (list(texts), [text[::-1] for text in texts], ["".join(sorted(text)) for text in texts])
    indices = [index for index, text in enumerate(texts) if text]
    yield from (sorted(indices, key=order.__getitem__) for order in keys)


def _sharing(texts: Sequence[str]) -> Iterator[list[int]]:
    """The texts of each rare word."""
    having: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        for word in dict.fromkeys(text.split()):
            having.setdefault(word, []).append(index)
    yield from (group for group in having.values() if 1 < len(group) <= RARE)


def is_twin(one: str, other: str) -> bool:
    """True if two folded texts differ in one stretch, in few letters, in their order, or not at all."""
    shorter, longer = sorted((len(one), len(other)))
    ends = Prefix.similarity(one, other) + Postfix.similarity(one, other)
    if shorter < EQUAL_ENDS * longer:
        return ends >= shorter > 0  # one is the other with something put in
    if ends >= EQUAL_ENDS * longer or Indel.normalized_similarity(one, other) >= EQUAL_LETTERS:
        return True
    if shorter == longer and sorted(one) == sorted(other):
        return True
    mine, theirs = one.split(), other.split()
    if len(mine) != len(theirs) or len(mine) > 2 * MAX_STRETCH + 1:
        return False
    differing = sum(a != b for a, b in zip(mine, theirs, strict=True))
    return differing <= min(MAX_STRETCH, len(mine) - 2)
