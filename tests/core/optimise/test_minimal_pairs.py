"""Pairs of units that differ in one thing that matters: `balanced` and `aggressive` keep both of every pair.

The pairs are in `minimal_pairs.tsv`. Each stands in several surroundings, with other text around it that may
go, so that `aggressive` has something to choose from and a target to meet.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from promptd.core.optimise.passes.candidates import FEWEST_WORDS
from promptd.core.optimise.twins import near_twins
from promptd.core.optimise.words import words
from tests.core.optimise.texts import FILLER, run


class Pair(NamedTuple):
    """One line of the table."""

    domain: str
    differs: str
    one: str
    other: str


def _pairs() -> list[Pair]:
    lines = (Path(__file__).parent / "minimal_pairs.tsv").read_text("utf-8").splitlines()
    return [Pair(*line.split("\t")) for line in lines if not line.startswith("#")]


PAIRS = _pairs()
DOMAINS = sorted({pair.domain for pair in PAIRS})
SURROUNDINGS: dict[str, Callable[[Pair], str]] = {
    "bullets": lambda pair: f"- {pair.one}\n- {pair.other}\n",
    "apart": lambda pair: f"- {pair.one}\n\nThen:\n\n- {pair.other}\n",
    "numbered": lambda pair: f"1. {pair.one}\n2. {pair.other}\n",
    "paragraphs": lambda pair: f"{pair.one}.\n\n{pair.other}.\n",
    "sentences": lambda pair: f"{pair.one}. {pair.other}.\n",
    "headings": lambda pair: f"## First\n\n{pair.one}.\n\n## Second\n\n{pair.other}.\n",
    "elements": lambda pair: f"<first>\n{pair.one}.\n</first>\n<second>\n{pair.other}.\n</second>\n",
    "lines of tags": lambda pair: f"<rule>{pair.one}</rule>\n<rule>{pair.other}</rule>\n",
    "table": lambda pair: f"| Rule | Kind |\n|---|---|\n| {pair.one} | a |\n| {pair.other} | b |\n",
    "names": lambda pair: f"## {pair.one}\n\nThe same here.\n\n## {pair.other}\n\nThe same here.\n",
}


def prompt(pairs: list[Pair], around: Callable[[Pair], str]) -> str:
    """The pairs in one surrounding, with lines below them that may go."""
    filler = "\n\n".join(FILLER)
    return f"# Everything\n\n{''.join(around(pair) + chr(10) for pair in pairs)}# Garden\n\n{filler}\n"


def lost(pairs: list[Pair], around: Callable[[Pair], str], strategy: str) -> list[str]:
    """The members of pairs that a result has not as often; `aggressive` must have dropped other lines."""
    source = prompt(pairs, around)
    result = run(source, strategy)
    assert result.reduction > 0 or strategy == "balanced"
    members = [member for pair in pairs for member in (pair.one, pair.other)]
    return [member for member in members if result.text.count(member) < source.count(member)]


@pytest.mark.parametrize("strategy", ["balanced", "aggressive"])
@pytest.mark.parametrize("surrounding", SURROUNDINGS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_both_of_every_pair_stay(domain: str, surrounding: str, strategy: str) -> None:
    """The pairs of a domain in one prompt; of those that share a member, which would be repeats, one."""
    pairs: list[Pair] = []
    used: set[str] = set()
    for pair in PAIRS:
        if pair.domain == domain and not used & {pair.one, pair.other}:
            pairs.append(pair)
            used |= {pair.one, pair.other}
    assert lost(pairs, SURROUNDINGS[surrounding], strategy) == []


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["balanced", "aggressive"])
@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_a_pair_alone_stays(surrounding: str, strategy: str) -> None:
    """Each pair in a prompt of its own, where nothing else vouches for it."""
    around = SURROUNDINGS[surrounding]
    assert [gone for pair in PAIRS for gone in lost([pair], around, strategy)] == []


def test_every_pair_is_seen_as_one_and_filler_is_not() -> None:
    """Twins are found among all the others; texts that have nothing in common are none.

    What is said in a word or two stays anyway.
    """
    texts = [member for pair in PAIRS for member in (pair.one, pair.other)]
    found = near_twins(texts)
    missed = [text for index, text in enumerate(texts) if index not in found]
    assert [text for text in missed if len(words(text)) > FEWEST_WORDS] == []
    assert near_twins(FILLER) == frozenset()


def test_the_table_is_wide_enough() -> None:
    """At least 300 pairs, no pair twice, in many domains and of many kinds."""
    assert len(set(PAIRS)) == len(PAIRS) >= 300
    assert all(pair.one != pair.other for pair in PAIRS)
    assert len(Counter(pair.domain for pair in PAIRS)) >= 9
    assert len(Counter(pair.differs for pair in PAIRS)) >= 13
