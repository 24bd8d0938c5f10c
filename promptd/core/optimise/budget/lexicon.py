"""In how many components each word occurs: kept change by change, so that it equals counting from scratch.

Nothing is counted until it is needed (`is_active`). Frequencies are rounded down to powers of two: how much a
word tells is a matter of orders of magnitude, and an edit of one component then hardly ever changes what
another prompt keeps. `version` is another number whenever the inverse document frequency of any word is.
"""

from array import array
from collections import Counter
from collections.abc import Iterable

from promptd.core.optimise.words import Idf, words

MAX_COMPONENTS = 20_000  # of more, the first in the order of ids; about 1.3 KB each


class Lexicon:
    """Words of components, by id."""

    def __init__(self) -> None:
        self.is_active = False
        self.version = 0
        self._numbers: dict[str, int] = {}
        self._words: dict[str, array[int]] = {}
        self._frequency: Counter[int] = Counter()
        self._unknown: set[str] = set()
        self._idf: Idf | None = None
        self._is_old = True

    def __repr__(self) -> str:
        return f"<Lexicon {len(self._numbers)} words of {len(self._words)} components>"

    def __len__(self) -> int:
        return len(self._numbers)

    def begin(self, ids: Iterable[str]) -> None:
        """Start counting; these are the components there are."""
        self.is_active = True
        for id in ids:
            self.expect(id)

    def unknown(self) -> list[str]:
        """Components whose words are not known yet, in order."""
        missing = sorted(self._unknown)
        return missing[: max(MAX_COMPONENTS - len(self._words), 0)]

    def expect(self, id: str) -> None:
        """A component is new or another one."""
        if self.is_active:
            self.forget(id)
            self._unknown.add(id)

    def learn(self, id: str, text: str) -> None:
        """The text of a component that was expected."""
        if id in self._unknown:
            self.learn_words(id, distinct(text))

    def learn_words(self, id: str, found_words: Iterable[str]) -> None:
        """The distinct words of a component that was expected."""
        if id not in self._unknown:
            return
        self._unknown.discard(id)
        found = array("L", sorted(map(self._number, found_words)))
        self._words[id] = found
        self._frequency.update(found)
        self._is_old = True

    def forget(self, id: str) -> None:
        """A component is gone."""
        self._unknown.discard(id)
        found = self._words.pop(id, None)
        if found is not None:
            self._frequency.subtract(found)
            self._is_old = True

    def idf(self) -> Idf:
        """The inverse document frequencies now; the same object for as long as none changes."""
        if self._idf is None or self._is_old:
            table = {
                word: _rounded(self._frequency[number])
                for word, number in self._numbers.items()
                if self._frequency[number] > 1
            }
            fresh = Idf(_rounded(len(self._words)), table)
            if fresh != self._idf:
                self._idf = fresh
                self.version += 1
            self._is_old = False
        return self._idf

    def _number(self, word: str) -> int:
        return self._numbers.setdefault(word, len(self._numbers))


def distinct(text: str) -> frozenset[str]:
    """The distinct words of a text."""
    return frozenset(words(text))


def _rounded(number: int) -> int:
    """The power of two at or below a number; 0 stays 0."""
    return 1 << (number.bit_length() - 1) if number > 0 else 0
