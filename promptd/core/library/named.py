"""What components call themselves (`name:` in front matter), and who requires a word that may be such a name.

`requires: [audit-uat]` is meant by name where no file is called that. A name that two components have means
none of them. Names are compared as they are written.
"""

from collections.abc import Iterable, Iterator

from promptd.core.library.member import Component, Link
from promptd.core.library.word_index import WordIndex


class Named:
    """Names to ids, and the words that are looked up here to the ids of those that wrote them."""

    def __init__(self) -> None:
        self._ids = WordIndex()
        self._names: dict[str, str] = {}  # id -> the name that it has in `_ids`
        self._seekers = WordIndex()

    def __repr__(self) -> str:
        return f"<Named {len(self._ids)} names>"

    def id_of(self, word: str) -> str | None:
        """The id of the one component of this name, or None."""
        ids = self._ids.of(word)
        return next(iter(ids)) if len(ids) == 1 else None

    def take(self, id: str, component: Component | None) -> frozenset[str]:
        """A component is new, other than it was, or gone; returns who wrote a name that may mean another."""
        written = component.parsed.metadata.get("name") if component is not None else None
        name, before = written if isinstance(written, str) else "", self._names.get(id, "")
        if name == before:
            return frozenset()
        if before:
            self._names.pop(id)
            self._ids.discard((before,), id)
        if name:
            self._names[id] = name
            self._ids.add((name,), id)
        return self._seekers.of(before) | self._seekers.of(name)

    def seek(self, id: str, links: Iterable[Link]) -> None:
        """These links of a component are in use."""
        self._seekers.add(_words(links), id)

    def unseek(self, id: str, links: Iterable[Link]) -> None:
        """They are no longer."""
        self._seekers.discard(_words(links), id)


def is_word(link: Link) -> bool:
    """True for a link that may mean a component by its name: a word in `requires:` that is no path."""
    return link.directive.is_soft and link.directive.is_tentative


def _words(links: Iterable[Link]) -> Iterator[str]:
    return (link.directive.target for link in links if is_word(link))
