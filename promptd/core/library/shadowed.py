"""Files that wait: the same id in an earlier root hides them, until that one goes.

Only what a library needs to bring one forward again is kept, never its text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from promptd.core.syntax.component import Place, Reading


class Shadowed:
    """The last readings of hidden files, by id and root."""

    def __init__(self) -> None:
        self._held: dict[str, dict[int, Reading]] = {}

    def __repr__(self) -> str:
        return f"<Shadowed of {len(self._held)} ids>"

    def __iter__(self) -> Iterator[Reading]:
        return (reading for by_root in self._held.values() for reading in by_root.values())

    def of(self, id: str) -> Iterable[Reading]:
        """The hidden readings of an id."""
        return self._held.get(id, {}).values()

    def put(self, reading: Reading) -> None:
        """Keep a reading of a hidden place, or forget the place if nothing was there."""
        if reading.is_absent:
            self._drop(reading.place)
        else:
            self._held.setdefault(reading.place.id, {})[reading.place.root] = replace(reading, text=None)

    def pop(self, id: str) -> Reading | None:
        """The reading of this id in the earliest root, which is hidden no longer; None if there is none."""
        by_root = self._held.get(id)
        return self._drop(Place(min(by_root), id)) if by_root else None

    def _drop(self, place: Place) -> Reading | None:
        by_root = self._held.get(place.id, {})
        reading = by_root.pop(place.root, None)
        if not by_root:
            self._held.pop(place.id, None)
        return reading
