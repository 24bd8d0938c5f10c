"""The index: what an earlier process knew of files, so that they need not be read and parsed again.

Two questions. `proved`: this place has this signature now; is that proof that it still is what was read then?
The rules are those of a running daemon: the whole signature is the same, and it was not racily clean when
it was read. `parsed`: these bytes have been read; were they parsed before? What failed to be read is in no
index, and neither is any text. Nothing here reads a file: `daemon.state.index_file` does.
"""

from collections.abc import Iterable, Sequence

import msgspec

from promptd.core.library.library import Library
from promptd.core.syntax.component import FileSignature, Parsed, Place, Reading, Signature

Dialects = tuple[str, ...]


class IndexEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file as it was read. Without text: that stays where it is."""

    id: str
    signature: FileSignature
    read_at_ns: int
    digest: str
    parsed: Parsed


def entry_of(reading: Reading) -> IndexEntry | None:
    """What to keep of a reading; None if it is of no use: nothing was there, or it failed."""
    if (
        not isinstance(reading.signature, FileSignature)
        or reading.parsed is None
        or reading.error is not None
        or not reading.digest
    ):
        return None
    return IndexEntry(reading.place.id, reading.signature, reading.read_at_ns, reading.digest, reading.parsed)


class ParseCache:
    """Entries by place and by content. `dialects` are those of each root, in the order of roots."""

    def __init__(self, dialects: Sequence[Sequence[str]] = ()) -> None:
        self.dialects = tuple(map(tuple, dialects))
        self._by_place: dict[Place, IndexEntry] = {}
        self._by_content: dict[Dialects, dict[str, Parsed]] = {names: {} for names in self.dialects}
        self.recalled = 0

    def __repr__(self) -> str:
        return f"<ParseCache of {len(self._by_place)} places, {self.recalled} recalled>"

    def __len__(self) -> int:
        return len(self._by_place)

    def add(self, entries: Sequence[IndexEntry], dialects: Dialects, roots: Iterable[int]) -> None:
        """Take entries in that were parsed with these dialects, below the roots that they belong to now."""
        for root in roots:
            self._by_place |= {Place(root, entry.id): entry for entry in entries}
        if dialects in self._by_content:
            self._by_content[dialects] |= {entry.digest: entry.parsed for entry in entries}

    def proved(
        self, found: Iterable[tuple[Place, Signature]], max_bytes: int, order: int = 0
    ) -> list[Reading]:
        """Readings of those of the places that are what they were; the signatures are as of now.

        `order` is when these were read: a later read of a place takes precedence.

        A file above `max_bytes` is none of them: the limit may have been another one. Those without
        directives come first, so that most others find what they pull in. About 1 µs a place.
        """
        readings: list[Reading] = []
        for place, signature in found:
            entry = self._by_place.get(place)
            if entry is None or entry.signature != signature or signature.size > max_bytes:
                continue
            reading = Reading(
                place, signature, entry.read_at_ns, entry.digest, None, entry.parsed, order=order
            )
            if reading.is_settled:
                readings.append(reading)
        self.recalled += len(readings)
        return sorted(readings, key=_directives)

    def is_all_of(self, library: Library) -> bool:
        """True if a library was recalled from this and consists of nothing else."""
        return self.recalled == len(self) == library.mark

    def parsed(self, root: int, digest: str) -> Parsed | None:
        """The parse of a file of this content in this root, if it was parsed before. Safe in threads."""
        return self._by_content[self.dialects[root]].get(digest)


def _directives(reading: Reading) -> int:
    return len(reading.parsed.directives) if reading.parsed else 0
