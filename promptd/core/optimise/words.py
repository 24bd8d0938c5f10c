"""Words: how texts are folded to be compared, and how much a word tells by how rare it is.

Folding takes away case, punctuation and white space, nothing else. What a word tells is its inverse document
frequency over the library (Sparck Jones 1972), `ln(1 + N / df)`: a word of every component says little, a
word of one component much. `Vocabulary` counts in how many texts each word occurs and takes texts in and
out one by one, so that a change of one component costs that component.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log

_WORD = re.compile(r"[^\W_]+")
_SUFFIX = re.compile(r"(?<=\w{3})(?:ies|ing|ed|es|s|e|ly)$")


def words(text: str) -> list[str]:
    """The words of a text in order, case folded; digits are words too."""
    return _WORD.findall(text.casefold())


def fold(text: str) -> str:
    """A text without case, punctuation and white space: what "the same words in order" compares."""
    return " ".join(words(text))


def stem(word: str) -> str:
    """A word without its commonest English endings: enough to see that two sentences speak of one thing."""
    return _SUFFIX.sub("", word)


@dataclass(frozen=True, slots=True)
class Idf:
    """Inverse document frequencies, in nats. A word of no text has that of a word of one text."""

    texts: int
    frequency: Mapping[str, int]

    def of(self, word: str) -> float:
        """`ln(1 + N / df)`, never zero, so that a common word counts a little."""
        return log(1 + max(self.texts, 1) / max(self.frequency.get(word, 1), 1))

    def sum(self, distinct: Iterable[str]) -> float:
        """Of distinct words together; sorted, so that equal sets give equal floats."""
        return sum(map(self.of, sorted(distinct)))


class Vocabulary:
    """In how many texts each word occurs. Texts are put in and taken out; `idf` is a frozen view."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = 0
        self._frequency: Counter[str] = Counter()
        for text in texts:
            self.add(text)

    def __repr__(self) -> str:
        return f"<Vocabulary {len(self._frequency)} words of {self._texts} texts>"

    def add(self, text: str) -> None:
        """Count a text in."""
        self._texts += 1
        self._frequency.update(set(words(text)))

    def remove(self, text: str) -> None:
        """Count out a text that was counted in before."""
        self._texts -= 1
        self._frequency.subtract(distinct := set(words(text)))
        for word in distinct:
            if self._frequency[word] <= 0:
                del self._frequency[word]

    def idf(self) -> Idf:
        """The inverse document frequencies as of now; later changes do not touch them."""
        return Idf(self._texts, dict(self._frequency))


def idf_of(texts: Iterable[str]) -> Idf:
    """The inverse document frequencies over a library's texts."""
    return Vocabulary(texts).idf()
