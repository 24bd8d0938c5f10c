"""Ids by words: who has a name, who looks for an id. Most words have one id, which takes no set."""

from collections.abc import Iterable, Iterator


class WordIndex:
    """A map from words to the ids that have to do with them."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[str, str | set[str]] = {}

    def __repr__(self) -> str:
        return f"<WordIndex of {len(self._found)} words>"

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, word: str) -> bool:
        return word in self._found

    def __iter__(self) -> Iterator[str]:
        """The words, as of now; it may be asked for some at a time, with changes in between."""
        return iter(list(self._found))

    def of(self, word: str) -> frozenset[str]:
        """The ids of a word; none if it is not known."""
        found = self._found.get(word, ())
        return frozenset((found,) if isinstance(found, str) else found)

    def add(self, words: Iterable[str], id: str) -> None:
        """The id has to do with these words."""
        for word in words:
            found = self._found.setdefault(word, id)
            if isinstance(found, set):
                found.add(id)
            elif found != id:
                self._found[word] = {found, id}

    def discard(self, words: Iterable[str], id: str) -> None:
        """It has nothing to do with them any longer."""
        for word in words:
            found = self._found.get(word)
            if isinstance(found, set):
                found.discard(id)
                if len(found) == 1:
                    self._found[word] = found.pop()
            elif found == id:
                del self._found[word]
