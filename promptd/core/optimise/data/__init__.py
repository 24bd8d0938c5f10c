"""Tables that passes use, as data files in the package: they are part of the program.

`phrases.tsv` holds one verbose phrase a line, a tab, and what says the same shorter (or nothing). Lines
that begin with `#` are comments.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from promptd.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Phrases:
    """Verbose phrases, lower case with single spaces, and what they become; one pattern finds them all."""

    table: Mapping[str, str]
    pattern: re.Pattern[str]


def phrases_of(text: str, name: str = "phrases") -> Phrases:
    """Read a table. Raises ConfigError that names the line if one is not `phrase TAB replacement`."""
    table: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        phrase, tab, replacement = line.partition("\t")
        phrase = " ".join(phrase.casefold().split())
        if not tab or not phrase:
            raise ConfigError(f"{name}:{number}: write a phrase, a tab and what replaces it", key=name)
        table[phrase] = replacement.strip()
    return Phrases(table, _pattern(table))


def _pattern(table: Mapping[str, str]) -> re.Pattern[str]:
    """Longest first, so that a phrase inside another does not take its place; never matches if empty."""
    longest_first = sorted(table, key=lambda phrase: (-len(phrase), phrase))
    written = (r"[ \t]+".join(map(re.escape, phrase.split())) for phrase in longest_first)
    return re.compile(rf"(?<![\w'-])(?:{'|'.join(written)})(?![\w'-])" if table else r"(?!)", re.IGNORECASE)


@cache
def shipped_phrases() -> Phrases:
    """The table that ships with the package."""
    return phrases_of((files(__package__) / "phrases.tsv").read_text("utf-8"), "phrases.tsv")
