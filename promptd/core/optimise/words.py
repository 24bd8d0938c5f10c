"""Words: what of a text counts as one, and how much a word tells by how rare it is.

Letters and digits with their marks (vowel signs, accents, tones) are words, and so are symbols: operators,
currencies, arrows, pictures. Case is folded and canonically equal spellings are one; punctuation and white
space part words and are none, but for the `#` of `C#`. What a word tells is its inverse document frequency
over the library (Sparck Jones 1972), `ln(1 + N / df)`: a word of every component says little, a word of one
component much. `Vocabulary` counts in how many texts each word occurs and takes texts in and out one by one,
so that a change of one component costs that component.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log
from unicodedata import category, normalize

_PUNCTUATION = r"!\"#'()*,\-./:;?@\[\\\]_{}`"
_SYMBOLS = "$%&+<=>^|~"
# A run of letters, digits and marks, with the `+` or `#` of a name like C++ and F#; or a run of symbols.
_WORD = re.compile(
    rf"[^\s{_PUNCTUATION}{_SYMBOLS}]+(?:(?:\+\+?|#)(?![^\s{_PUNCTUATION}{_SYMBOLS}]))?|[{_SYMBOLS}]+"
)
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_SUFFIX = re.compile(r"(?<=\w{3})(?:ies|ing|ed|es|s|e|ly)$")


class _Parted(dict[int, str]):
    """For `str.translate`: punctuation becomes a blank, and a symbol outside ASCII stands by itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = category(character)[0]
        part = " " if kind == "P" else f" {character} " if kind == "S" else character
        self[code] = part
        return part


_parted = _Parted()


def words(text: str) -> list[str]:
    """The words of a text in order, case folded; digits and symbols are words too."""
    if not text.isascii():
        text = _FOREIGN.sub(lambda run: run[0].translate(_parted), normalize("NFC", text))
    return _WORD.findall(text.casefold())


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
